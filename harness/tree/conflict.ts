// SPDX-License-Identifier: MIT
import { KilnError } from '../errors.ts';
import type { Patch } from '../series/patch.ts';

/** The error for a patch that `git am` could not apply or read. Names patch, file and hunk. @param output of git am */
export function describeConflict(which: { series: string; patch: Patch }, output: string): KilnError {
  const { series, patch } = which;
  const date = /^fatal: (invalid date format: .*)$/m.exec(output)?.[1];
  if (date !== undefined)
    return new KilnError('bad-input', `${series}: ${patch.file} can't be read: ${date}`, {
      hint: 'put the Date: of the mail right, or take it out',
      details: { series, patch: patch.file },
    });
  const rejection = readRejection(output, patch.content.toString('utf8'));
  const where = [rejection.file, rejection.hunk].filter(Boolean).join(', hunk ');
  return new KilnError(
    'does-not-apply',
    `${series}: ${patch.file} does not apply${where ? `: ${where}` : ''}: ${rejection.reason}`,
    {
      hint: 'rebase the series onto the base that is named in the results, or choose its own base with --base',
      details: {
        series,
        patch: patch.file,
        ...(rejection.file === undefined ? {} : { file: rejection.file }),
        ...(rejection.hunk === undefined ? {} : { hunk: rejection.hunk }),
        output: output.trim().split('\n').slice(0, 40).join('\n'),
      },
    },
  );
}

type Rejection = { file?: string; hunk?: string; reason: string };

function readRejection(output: string, patch: string): Rejection {
  const failed = /^error: patch failed: (.+):(\d+)$/m.exec(output);
  if (failed) {
    const hunk = hunkAt(patch, failed[1]!, Number(failed[2]));
    return {
      file: failed[1]!,
      ...(hunk === undefined ? {} : { hunk }),
      reason: 'the context does not match',
    };
  }
  if (/Patch is empty|Patch format detection failed|No valid patches in input/.test(output))
    return { reason: 'there is no diff in it' };
  const said = /^error: (.*)$/m.exec(output)?.[1];
  if (said === undefined) return { reason: firstLine(output) || 'git am gave no reason' };
  const outside = /^invalid path '(.+)'$/.exec(said);
  if (outside) return { file: outside[1]!, reason: 'the path leads outside the tree' };
  const quoted = /'(.+)'/.exec(said);
  if (quoted) return { file: quoted[1]!, reason: said };
  const named = /^(?!corrupt patch|patch fragment)(\S+): (.+)$/.exec(said);
  return named ? { file: named[1]!, reason: named[2]! } : { reason: said };
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}

/** The hunk header of `file` whose old side starts at `line`. */
function hunkAt(patch: string, file: string, line: number): string | undefined {
  let current = '';
  for (const text of patch.split('\n')) {
    const header = /^(?:---|\+\+\+) [ab]\/([^\t]+?)\s*(?:\t.*)?$/.exec(text);
    if (header) current = header[1]!;
    const hunk = /^@@ -(\d+)/.exec(text);
    if (hunk && current === file && Number(hunk[1]) === line) return text.trim();
  }
  return undefined;
}
