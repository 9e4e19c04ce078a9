// SPDX-License-Identifier: MIT
// Why a patch does not apply, as far as it and git's output tell. cause.ts asks the base.
import { type ConflictCause, KilnError } from '../errors.ts';
import { describeDamage, findDamage } from '../series/damage.ts';
import { lineInMail, namePatch, type Patch } from '../series/patch.ts';
import type { Series } from '../series/series.ts';

/** A patch and the series that it is of. */
export type Named = { series: Series; patch: Patch };

/** A patch that `git am` refused. */
export type Conflict = Named & {
  /** What git am printed. */
  output: string;
  /** What git am took for the diff of the mail. */
  diff: string;
};

/** Where a patch failed. Without a file, `reason` is what git said. */
export type Rejection = { file?: string; hunk?: string; reason: string; wanted?: HunkLine[] };

/** A line that a hunk wants to find, and its number in the diff, from 1. */
export type HunkLine = { line: number; text: string };

/** An error about a patch that does not apply. @param sentence follows the patch's name */
export function refusal(
  conflict: Conflict,
  cause: ConflictCause,
  sentence: string,
  more: { hint: string; where?: Rejection },
): KilnError {
  const { series, patch, output } = conflict;
  const { file, hunk } = more.where ?? {};
  return new KilnError('does-not-apply', `${series.name}: ${namePatch(patch)} ${sentence}`, {
    hint: more.hint,
    details: {
      series: series.name,
      patch: patch.file,
      cause,
      ...(file === undefined ? {} : { file }),
      ...(hunk === undefined ? {} : { hunk }),
      output: output.trim().split('\n').slice(0, 40).join('\n'),
    },
  });
}

/** The error for a patch that applies to no base. */
export function findFault(conflict: Conflict): KilnError | undefined {
  const { series, patch, output } = conflict;
  const date = /^fatal: (invalid date format: .*)$/m.exec(output)?.[1];
  if (date !== undefined)
    return new KilnError('bad-input', `${series.name}: ${namePatch(patch)} can't be read: ${date}`, {
      hint: 'put the Date: of the mail right, or take it out',
      details: { series: series.name, patch: patch.file },
    });
  const name = /^fatal: (.*ident name.*)$/m.exec(output)?.[1];
  if (name !== undefined)
    return new KilnError('bad-input', `${series.name}: ${namePatch(patch)} can't be read: ${name}`, {
      hint: 'put the From: of the mail right, also one that begins its text: NAME <ADDRESS>',
      details: { series: series.name, patch: patch.file },
    });
  if (/Patch is empty|Patch format detection failed|No valid patches in input/.test(output))
    return refusal(conflict, 'no-diff', 'does not apply: there is no diff in it', {
      hint: 'give a mail or a file that holds a diff, or leave it out',
    });
  return findMailDamage(conflict);
}

const getWhole =
  'get the patch as it was sent: the raw mail from the list’s archive, or a git range; who sends it again uses git send-email';

function findMailDamage(conflict: Conflict): KilnError | undefined {
  const damage = findDamage(conflict.diff);
  if (damage === undefined) return undefined;
  const sentence = `is damaged: ${describeDamage(damage, lineOf(conflict, damage.line))}`;
  return refusal(conflict, 'damaged', sentence, { hint: getWhole });
}

/** The error for a patch whose white space a mailer changed. @param line of the diff, from 1 */
export function damagedSpace(conflict: Conflict, where: Rejection, line: number, how: string): KilnError {
  const sentence = `is damaged: line ${lineOf(conflict, line)} ${how}`;
  return refusal(conflict, 'damaged', sentence, { where, hint: getWhole });
}

/** A line of the diff as the user finds it. @param line from 1 */
export function lineOf({ patch, diff }: Conflict, line: number): number {
  return lineInMail(patch, diff, line);
}

/** What git am said of the first file that failed. */
export function readRejection(output: string, diff: string): Rejection {
  const failed = /^error: patch failed: (.+):(\d+)$/m.exec(output);
  if (failed) {
    return {
      file: failed[1]!,
      ...findHunk(diff, failed[1]!, Number(failed[2])),
      reason: 'the context does not match',
    };
  }
  const said = /^error: (.*)$/m.exec(output)?.[1];
  if (said === undefined) return { reason: output.trim().split('\n')[0] || 'git am gave no reason' };
  const outside = /^invalid path '(.+)'$|^((?:.*\/)?\.\.\/.*): does not exist/.exec(said);
  if (outside) return { file: outside[1] ?? outside[2]!, reason: 'the path leads outside the tree' };
  const quoted = /'(.+)'/.exec(said);
  if (quoted) return { file: quoted[1]!, reason: said };
  const named = /^(?!corrupt patch|patch fragment)(\S+): (.+)$/.exec(said);
  return named ? { file: named[1]!, reason: named[2]! } : { reason: said };
}

/** The hunk of `file` whose old side starts at line `start`. Lines are without CR. */
function findHunk(
  diff: string,
  file: string,
  start: number,
): { hunk: string; wanted: HunkLine[] } | undefined {
  let current = '';
  const lines = diff.split(/\r?\n/);
  for (const [index, text] of lines.entries()) {
    const header = /^(?:---|\+\+\+) [ab]\/([^\t]+?)\s*(?:\t.*)?$/.exec(text);
    if (header) current = header[1]!;
    const hunk = /^@@ -(\d+)(?:,(\d+))?/.exec(text);
    if (!hunk || current !== file || Number(hunk[1]) !== start) continue;
    const wanted = lines
      .map((one, at) => ({ line: at + 1, text: one.slice(1), kind: one[0] ?? ' ' }))
      .slice(index + 1)
      .filter(({ kind }) => kind === ' ' || kind === '-')
      .slice(0, Number(hunk[2] ?? 1));
    return { hunk: text.trim(), wanted: wanted.map(({ line, text: old }) => ({ line, text: old })) };
  }
  return undefined;
}
