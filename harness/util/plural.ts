// SPDX-License-Identifier: MIT

/** `1 test`, `2 tests`; `1 process`, `2 processes`. */
export function plural(count: number, noun: string): string {
  const ending = /(?:s|x|ch|sh)$/.test(noun) ? 'es' : 's';
  return `${count} ${noun}${count === 1 ? '' : ending}`;
}
