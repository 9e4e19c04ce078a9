// SPDX-License-Identifier: MIT

/** `1 test`, `2 tests`; `1 process`, `2 processes`. */
export function plural(count: number, noun: string): string {
  const ending = /(?:s|x|ch|sh)$/.test(noun) ? 'es' : 's';
  return `${count} ${noun}${count === 1 ? '' : ending}`;
}

/** `a, b and 3 more`: the first few of many. */
export function several(items: readonly string[], most = 8, separator = ', '): string {
  const rest = items.length - most;
  return `${items.slice(0, most).join(separator)}${rest > 0 ? ` and ${rest} more` : ''}`;
}
