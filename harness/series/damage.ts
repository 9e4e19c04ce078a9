// SPDX-License-Identifier: MIT

/** Where a diff was damaged on its way: a line, counted from 1, its text, and what is wrong there. */
export type Damage = {
  line: number;
  text: string;
  kind: 'no-line' | 'extra-line' | 'lines-missing' | 'cut-off';
};

/** A sentence about a damage. @param line as the user finds it */
export function describeDamage({ text, kind }: Damage, line: number): string {
  const sentences = {
    'no-line': `line ${line} is no line of a patch, a mailer wrapped or changed it`,
    'extra-line': `line ${line} is one more than its hunk should have, a mailer may have wrapped a line before it`,
    'lines-missing': `line ${line} comes in the middle of a hunk, lines before it are missing`,
    'cut-off': `the patch ends in the middle of a hunk, it was cut off after line ${line}`,
  };
  return `${sentences[kind]}: "${text.trim()}"`;
}

/**
 * The first place where a hunk does not have the lines that its header announces. A mailer wrapped a line, or the mail
 * was cut off. Says nothing of what a hunk holds.
 */
export function findDamage(diff: string): Damage | undefined {
  const lines = diff.replace(/\n$/, '').split(/\r?\n/);
  let left = { removed: 0, added: 0 };
  let ended = false;
  for (const [index, text] of lines.entries()) {
    const damage = (kind: Damage['kind']) => ({ line: index + 1, text, kind });
    const inside = left.removed > 0 || left.added > 0;
    if (inside) {
      const counts = countsOf(text);
      if (counts === undefined || isSignature(lines, index)) return damage(kindOf(lines, index));
      left = { removed: left.removed - counts.removed, added: left.added - counts.added };
      if (left.removed < 0 || left.added < 0) return damage('extra-line');
      ended = left.removed === 0 && left.added === 0;
      continue;
    }
    const header = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(text);
    if (header) left = { removed: Number(header[1] ?? 1), added: Number(header[2] ?? 1) };
    else if (ended && text.trim() !== '' && !mayFollow.test(text)) return damage('extra-line');
    ended = header ? false : ended && text.startsWith('\\');
  }
  if (left.removed === 0 && left.added === 0) return undefined;
  const last = lines.findLastIndex((line) => line.trim() !== '');
  return { line: last + 1, text: lines[last]!, kind: 'cut-off' };
}

/** What may stand behind the last line of a hunk. */
const mayFollow = /^(?:-- ?$|---(?: |$)|@@ |diff |Index: |Only in |\\|=|_|From |-----|>)/;

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

function kindOf(lines: string[], index: number): Damage['kind'] {
  const isNext = isSignature(lines, index) || /^(diff --git |@@ -)/.test(lines[index]!);
  return isNext ? 'lines-missing' : 'no-line';
}
