// SPDX-License-Identifier: MIT

/** Quote an argument for a POSIX shell, where it needs quotes. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
