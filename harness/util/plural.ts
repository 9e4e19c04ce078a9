// SPDX-License-Identifier: MIT

/** `1 test`, `2 tests`; `1 process`, `2 processes`; `1 entry`, `2 entries`. */
export function plural(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`;
  if (/[^aeiou]y$/.test(noun)) return `${count} ${noun.slice(0, -1)}ies`;
  return `${count} ${noun}${/(?:s|x|ch|sh)$/.test(noun) ? 'es' : 's'}`;
}

/** `a, b and 3 more`: the first few of many. */
export function several(items: readonly string[], most = 8, separator = ', '): string {
  const rest = items.length - most;
  return `${items.slice(0, most).join(separator)}${rest > 0 ? ` and ${rest} more` : ''}`;
}
