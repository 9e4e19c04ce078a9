// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import type { Context } from '../../context.ts';
import type { CheckResult } from '../../schema.ts';
import type { Patch } from '../../series/patch.ts';
import type { AppliedPatch } from '../../tree/tree.ts';
import { exists } from '../../util/files.ts';
import { git } from '../../util/git.ts';
import { plural } from '../../util/plural.ts';
import { shown } from './findings.ts';
import { runScript } from './script.ts';
import type { Source } from './source.ts';

const name = 'checkpatch';
const script = 'scripts/checkpatch.pl';
/** Without a repository checkpatch.pl takes every commit for unknown. The check of the tags looks them up. */
const options = ['--strict', '--show-types', '--color=never', '--ignore', 'UNKNOWN_COMMIT_ID', '-'];

/** The tree's own checkpatch.pl on a patch. `source` shows the state before the patch. It warns, and never fails. */
export async function checkpatch(
  { patch, applied }: { patch: Patch; applied: AppliedPatch },
  source: Source,
  context: Context,
): Promise<CheckResult> {
  const { directory } = source;
  await source.show(`${applied.commit}^`);
  if (!(await exists(join(directory, script)))) return skip(`the tree has no ${script}`);
  const input = await mailOf(patch, applied, source.gitDir, context);
  const run = await runScript({ file: script, words: options, directory, input }, context);
  if ('trouble' in run) return skip(run.trouble);
  const report = parseCheckpatch(run.stdout, patch.file);
  if (report === null)
    return skip(lastLine(run.stderr) ?? lastLine(run.stdout) ?? `${script} printed nothing`);
  const { errors, warnings, checks, findings } = report;
  const counts = [plural(errors, 'error'), plural(warnings, 'warning'), plural(checks, 'check')].join(', ');
  // spdxcheck.py needs a repository, and modules that are rarely installed; without them it is silent.
  const note = addsLicence.test(input.toString('latin1')) ? '; names of licences are not looked up' : '';
  const status = errors + warnings + checks > 0 ? 'warn' : 'pass';
  return { name, status, summary: `${counts}${note}`, findings: shown(findings) };
}

const addsLicence = /^\+.*SPDX-License-Identifier:/m;

function skip(reason: string): CheckResult {
  return { name, status: 'skip', summary: reason, findings: [] };
}

function lastLine(text: string): string | undefined {
  return text.trimEnd().split('\n').at(-1) || undefined;
}

/** A patch of a range is no mail: `git format-patch` makes one of its commit. */
async function mailOf(
  { content }: Patch,
  { commit }: AppliedPatch,
  gitDir: string,
  { signal }: Context,
): Promise<Buffer> {
  if (!/^[0-9a-f]{40} [0-9a-f]{40}\n$/.test(content.toString('latin1', 0, 100))) return content;
  const words = ['format-patch', '--stdout', '-1', '-M', '--no-ext-diff', '--no-textconv', commit];
  return Buffer.from((await git(gitDir, words, { signal })).stdout, 'utf8');
}

export type CheckpatchReport = { errors: number; warnings: number; checks: number; findings: string[] };

/**
 * What checkpatch.pl printed, a finding for each report: `FILE:LINE: LEVEL:TYPE: text`, then lines of the patch. null:
 * it did not come to its end.
 * @param file names the patch, for reports about its message
 */
export function parseCheckpatch(output: string, file: string): CheckpatchReport | null {
  // The last one: a report may quote such a line of the patch.
  const total = [...output.matchAll(totals)].at(-1);
  if (!total) return null;
  const [errors, warnings, checks] = total.slice(1).map((digits) => Number(digits ?? 0));
  const reports = output.slice(0, total.index).split(/\n\n(?=(?:ERROR|WARNING|CHECK):)/);
  const findings = reports.map((report) => withPlace(report.trim(), file)).filter((report) => report !== '');
  return { errors: errors!, warnings: warnings!, checks: checks!, findings };
}

const totals = /^total: (\d+) errors, (\d+) warnings, (?:(\d+) checks, )?\d+ lines checked$/gm;

/** checkpatch.pl has the place in a line of its own: `#34: FILE: fs/file.c:12:`, without the file in the message. */
function withPlace(report: string, file: string): string {
  const [text = '', place = '', ...lines] = report.split('\n');
  const [, number, where] = /^#(\d+):(?: FILE: (.+?:\d+):| *$)/.exec(place) ?? [];
  if (number === undefined) return report === '' ? '' : `${file}: ${report}`;
  return [`${where ?? `${file}:${number}`}: ${text}`, ...lines].join('\n');
}
