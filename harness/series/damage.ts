// SPDX-License-Identifier: MIT

/** Where a diff was damaged on its way: a line, counted from 1, its text, and what is wrong with it (`line 3 is …`). */
export type Damage = { line: number; text: string; reason: string };

/**
 * The first place where a hunk does not have the lines that its header announces. A mailer wrapped a line, or the mail
 * was cut off. Says nothing of what a hunk holds.
 */
export function findDamage(diff: string): Damage | undefined {
  const lines = diff.replace(/\n$/, '').split(/\r?\n/);
  let left = { removed: 0, added: 0 };
  let ended = false;
  for (const [index, text] of lines.entries()) {
    const damage = (reason: string) => ({ line: index + 1, text, reason });
    const inside = left.removed > 0 || left.added > 0;
    if (inside) {
      const counts = countsOf(text);
      if (counts === undefined || isSignature(lines, index)) return damage(reasonOf(lines, index));
      left = { removed: left.removed - counts.removed, added: left.added - counts.added };
      if (left.removed < 0 || left.added < 0) return damage('is one more than the hunk should have');
      ended = left.removed === 0 && left.added === 0;
      continue;
    }
    const header = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(text);
    if (header) left = { removed: Number(header[1] ?? 1), added: Number(header[2] ?? 1) };
    else if (ended && /^[ +-]\s*\S/.test(text) && !/^(-- ?$|--- )/.test(text))
      return damage('is one more than the hunk should have, a mailer may have wrapped a line before it');
    ended = header ? false : ended && text.startsWith('\\');
  }
  if (left.removed === 0 && left.added === 0) return undefined;
  return {
    line: lines.length,
    text: lines.at(-1)!,
    reason: 'ends the patch in the middle of a hunk, the mail was cut off',
  };
}

/** How many lines of the old and the new file a line of a hunk is; undefined if it is no line of a hunk. */
function countsOf(text: string): { removed: number; added: number } | undefined {
  switch (text[0]) {
    case undefined:
    case ' ':
      return { removed: 1, added: 1 };
    case '-':
      return { removed: 1, added: 0 };
    case '+':
      return { removed: 0, added: 1 };
    case '\\':
      return { removed: 0, added: 0 };
    default:
      return undefined;
  }
}

/** The end of a mail that `git format-patch` made: `-- ` and git's version. */
function isSignature(lines: string[], index: number): boolean {
  return /^-- ?$/.test(lines[index]!) && /^\d+\.\d+[^ ]*$/.test(lines[index + 1] ?? '');
}

function reasonOf(lines: string[], index: number): string {
  if (isSignature(lines, index) || /^(diff --git |@@ -)/.test(lines[index]!))
    return 'comes in the middle of a hunk, lines before it are missing';
  return 'is no line of a patch, a mailer wrapped the line before it';
}
