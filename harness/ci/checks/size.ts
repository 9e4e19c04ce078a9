// SPDX-License-Identifier: MIT
import { realpath, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../context.ts';
import type { CheckResult } from '../../schema.ts';
import { exists } from '../../util/files.ts';
import { scratchDirectory } from '../../util/scratch.ts';
import { shown } from './findings.ts';
import { runScript } from './script.ts';
import type { Source } from './source.ts';

const name = 'size';
const script = 'scripts/bloat-o-meter';

/** Two kernels or objects with symbols, by path. */
export type Sizes = { before: string; after: string };

/** The tree's own bloat-o-meter on two kernels. It informs: its result is a pass, unless it can't be made. */
export async function size(sizes: Sizes | null, source: Source, context: Context): Promise<CheckResult> {
  if (sizes === null) return skip('there are no kernels of the patch and its parent to compare');
  const { directory } = source;
  if (!(await exists(join(directory, script)))) return skip(`the tree has no ${script}`);
  const [before, after] = await Promise.all([plainPath(sizes.before), plainPath(sizes.after)]);
  if (before === null || after === null) return skip(`there is no ${before ? sizes.after : sizes.before}`);
  // bloat-o-meter gives the names to a shell.
  await using scratch = await scratchDirectory(join(context.cache, 'scratch'));
  await symlink(before, join(scratch.path, 'before'));
  await symlink(after, join(scratch.path, 'after'));
  const read = [scratch.path, before, after];
  const words = ['-c', 'before', 'after'];
  const run = await runScript({ file: script, words, directory, cwd: scratch.path, read }, context);
  if ('trouble' in run) return skip(run.trouble);
  const report = parseBloat(run.stdout);
  if (report === null) return skip(`no symbols in ${sizes.before} and ${sizes.after}`);
  return { name, status: 'pass', summary: report.summary, findings: shown(report.findings) };
}

function skip(reason: string): CheckResult {
  return { name, status: 'skip', summary: reason, findings: [] };
}

async function plainPath(path: string): Promise<string | null> {
  return realpath(path).catch(() => null);
}

const kinds: Record<string, string> = { Function: 'text', Data: 'data', 'RO Data': 'rodata' };
/** Symbols that are shown. */
const most = 20;

/**
 * What `bloat-o-meter -c` printed: `text +120 -8, data +4 bytes`, and the symbols that changed most, as it has them.
 * null: one of the files has no symbols.
 */
export function parseBloat(output: string): { summary: string; findings: string[] } | null {
  const totals = [...output.matchAll(/^Total: Before=(\d+), After=(\d+),/gm)];
  const hasSymbols = (index: number) => totals.some((match) => Number(match[index]) > 0);
  if (!hasSymbols(1) || !hasSymbols(2)) return null;
  const changes = [...output.matchAll(/ up\/down: (\d+)\/-?(\d+) .*\n(.+?) {2,}old /g)].flatMap(
    ([, up, down, kind]) => {
      const signed = [up !== '0' && `+${up}`, down !== '0' && `-${down}`].filter(Boolean).join(' ');
      return signed === '' ? [] : `${kinds[kind!] ?? kind} ${signed}`;
    },
  );
  const symbols = [...output.matchAll(/^\S+ +(?:\d+|-) +(?:\d+|-) +([+-]\d+)$/gm)];
  const byChange = symbols.toSorted((a, b) => Math.abs(Number(b[1])) - Math.abs(Number(a[1])));
  const summary = changes.length === 0 ? 'no symbol changes its size' : `${changes.join(', ')} bytes`;
  return { summary, findings: byChange.slice(0, most).map(([line]) => line) };
}
