// SPDX-License-Identifier: MIT

/** Lines before and after the one that is meant, and characters of a line, at most. */
const [around, longest] = [3, 300];

/** The lines around a line, which is counted from 1; null if there is no such line. */
export function excerpt(lines: readonly string[], line: number): { first: number; lines: string[] } | null {
  if (line < 1 || line > lines.length) return null;
  const from = Math.max(0, line - 1 - around);
  const some = lines.slice(from, line + around).map((text) => text.slice(0, longest));
  return { first: from + 1, lines: some };
}
