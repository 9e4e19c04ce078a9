// SPDX-License-Identifier: MIT
// Why a patch does not apply, by what the base has.
import { join } from 'node:path';
import type { Context } from '../context.ts';
import type { ConflictCause, KilnError } from '../errors.ts';
import { limits } from '../limits.ts';
import { diffStart } from '../series/diff.ts';
import type { ExecOptions } from '../util/exec.ts';
import type { Base } from './base.ts';
import {
  type Conflict,
  damagedSpace,
  type HunkLine,
  lineOf,
  type Rejection,
  readRejection,
  refusal,
} from './conflict.ts';
import { nameBase } from './otherBase.ts';
import { hashes, type Repository } from './repository.ts';

/**
 * The error for a patch whose change is there already, or undefined. HEAD is what it was to be applied on.
 * @param diff a file
 */
export async function findApplied(
  repository: Repository,
  base: Base,
  conflict: Conflict,
  diff: string,
): Promise<KilnError | undefined> {
  const [head] = await hashes(repository, 'HEAD');
  if (!(await reverts(repository, head!, diff))) return undefined;
  const inBase = head === base.commit || (await reverts(repository, base.commit, diff));
  const isWhole = inBase && (await hasWholeSeries(repository, base, conflict));
  return alreadyThere(conflict, inBase, isWhole);
}

/**
 * @param inBase whether the base itself has the change, or what was applied before the patch
 * @param isWhole whether it has those of all patches of the series
 */
export function alreadyThere(conflict: Conflict, inBase: boolean, isWhole = false): KilnError {
  const sentence = isWhole
    ? 'is already in this base, and so are all other patches of the series'
    : inBase
      ? 'is already in this base'
      : 'is already there: what was applied before it makes the same change';
  const own = 'choose the base that the series was made on with --base';
  return refusal(conflict, 'already-applied', sentence, {
    hint: isWhole
      ? `the series is applied, which leaves nothing to test: ${own}`
      : inBase
        ? `leave the patch out, or ${own}`
        : 'leave it out, or what makes the same change: a patch of the series, or of --with',
  });
}

/** Whether the base has several patches that came by mail, all of them: they can be taken back, the last one first. */
async function hasWholeSeries(
  repository: Repository,
  base: Base,
  { series: { range, patches }, patch }: Conflict,
): Promise<boolean> {
  if (range || patches.length === 1 || patch !== patches[0]) return false;
  const env = { GIT_INDEX_FILE: join(repository.gitDir, 'index.reverse') };
  await repository.git(['read-tree', base.commit], { env });
  for (const { content } of patches.toReversed()) {
    const text = content.toString('latin1');
    const input = Buffer.from(text.slice(diffStart(text)), 'latin1');
    const takeBack = ['apply', '--cached', '--reverse', '--whitespace=nowarn'];
    const { exitCode } = await repository.git(takeBack, { env, input, okCodes: [0, 1, 128] });
    if (exitCode !== 0) return false;
  }
  return true;
}

/** Whether the patch, taken back, applies to a commit. */
async function reverts(repository: Repository, commit: string, diff: string): Promise<boolean> {
  const env = { GIT_INDEX_FILE: join(repository.gitDir, 'index.reverse') };
  await repository.git(['read-tree', commit], { env });
  const check = ['apply', '--cached', '--check', '--reverse', '--whitespace=nowarn', diff];
  return (await repository.git(check, { env, okCodes: [0, 1, 128] })).exitCode === 0;
}

/** The error for a patch that neither applies nor can be merged. @param merge what `git am --3way` printed */
export async function explain(
  repository: Repository,
  base: Base,
  conflict: Conflict,
  merge: string,
  context: Context,
): Promise<KilnError> {
  const where = readRejection(conflict.output, conflict.diff);
  const cause = causeOf(where);
  const place = at(where);
  if (cause === 'refused')
    return refusal(conflict, cause, `does not apply${place}: ${where.reason}`, {
      where,
      hint: 'correct the patch, or get it again from where it was made: no base takes it as it is',
    });
  const lines = await readLines(repository, where);
  const space = findSpace(conflict, where, lines);
  if (space?.damaged) return damagedSpace(conflict, where, space.line, space.how);
  const missing = findMissing(where, lines);
  const change = await lastChange(repository, base, where, missing?.text, context);
  const other = await nameBase(base, conflict, context);
  if (other)
    return refusal(conflict, 'another-base', `does not apply to this base${place}: ${other.sentence}`, {
      where,
      hint: [other.hint, change, tried(merge)].filter(Boolean).join('; '),
    });
  const reasons = [where.reason];
  if (space) reasons.push(`line ${lineOf(conflict, space.line)} ${space.how}`);
  else if (missing) reasons.push(`the file has no line "${missing.text.trim()}"`);
  const sentence = `does not apply${place}: ${reasons.join(', ')}${change === undefined ? '' : `; ${change}`}`;
  return refusal(conflict, cause, sentence, { where, hint: `${rebase}; ${tried(merge)}` });
}

const rebase =
  'rebase the series onto the base that is named in the results, or choose its own base with --base';

function at({ file, hunk }: Rejection): string {
  const where = [file, hunk].filter(Boolean).join(', hunk ');
  return where === '' ? '' : `: ${where}`;
}

/** The cause as git am's output has it. */
export function causeOf({ file, reason }: Rejection): ConflictCause {
  if (file === undefined) return 'refused';
  if (reason.startsWith('does not exist')) return 'file-missing';
  if (reason.startsWith('already exists')) return 'file-exists';
  return reason === 'the context does not match' ? 'context-differs' : 'refused';
}

/** The file's lines at HEAD, with their CR. */
async function readLines(repository: Repository, { file, wanted }: Rejection): Promise<string[]> {
  if (wanted === undefined) return [];
  const show = await repository.git(['cat-file', '-p', `HEAD:${file}`], { okCodes: [0, 128] });
  return show.stdout.split('\n');
}

/** The first line that the hunk wants and the file does not have. */
function findMissing({ wanted = [] }: Rejection, lines: string[]): HunkLine | undefined {
  const there = new Set(lines.map((line) => line.replace(/\r$/, '')));
  return wanted.find(({ text }) => text.trim() !== '' && !there.has(text));
}

type Space = { line: number; how: string; damaged: boolean };

/** A hunk that matches but for its white space: its first line that differs, and whether a mailer did it. */
function findSpace(
  { series, diff }: Conflict,
  { file, wanted = [] }: Rejection,
  lines: string[],
): Space | undefined {
  // A range did not go through a mailer, and its lines may have CR.
  if (series.range || wanted.length === 0) return undefined;
  const bare = (text: string) => text.replace(/\s+/g, ' ').trim();
  const have = lines.map(bare);
  const want = wanted.map(({ text }) => bare(text));
  const start = have.findIndex((_, index) => want.every((text, offset) => have[index + offset] === text));
  if (start < 0) return undefined;
  const offset = wanted.findIndex(({ text }, index) => text !== lines[start + index]);
  if (offset < 0) return undefined;
  const { line, text } = wanted[offset]!;
  const there = lines[start + offset]!;
  const found = (how: string, damaged = true) => ({ line, how, damaged });
  if (there === `${text}\r`) return found(`lacks the CR with which ${file} ends its lines`);
  if (text.includes('\u00a0') && !there.includes('\u00a0'))
    return found(`has no-break spaces where ${file} has plain ones`);
  if (there.includes('\t') && !/^[ +-].*\t/m.test(diff)) return found(`has spaces where ${file} has tabs`);
  if (text === there.trimEnd()) return found(`lacks the white space at its end that ${file} has`);
  return found(`differs from ${file} in white space only`, false);
}

/** A sentence that names the commit to which the file, or the line that is missing from it, owes its state. */
async function lastChange(
  repository: Repository,
  base: Base,
  { file, reason }: Rejection,
  text: string | undefined,
  context: Context,
): Promise<string | undefined> {
  const options: ExecOptions = { okCodes: [0, 1, 128], timeout: limits.history };
  const log = async (...args: string[]) => {
    const format = '--format=%H%x00%P%x00%s';
    return (await repository.git(['log', '-1', format, ...args, 'HEAD', '--', file!], options)).stdout;
  };
  try {
    const found = (text && (await log(`-S${text}`))) || (await log());
    const [commit, parents, subject] = found.split('\0');
    // The first commit of all, which may be no more than an imported archive, changed nothing.
    if (!commit || !parents) return undefined;
    const ancestor = ['merge-base', '--is-ancestor', commit, base.commit];
    const inBase = (await repository.git(ancestor, options)).exitCode === 0;
    const who = inBase ? `commit ${commit.slice(0, 12)} ("${subject}")` : `an earlier patch ("${subject}")`;
    if (!reason.startsWith('does not exist')) return `${who} changed it last`;
    const to = await renamedTo(repository, commit, file!, options);
    return to === undefined ? `${who} removed it` : `${who} renamed it to ${to}`;
  } catch {
    context.signal.throwIfAborted();
    return undefined;
  }
}

async function renamedTo(
  repository: Repository,
  commit: string,
  file: string,
  options: ExecOptions,
): Promise<string | undefined> {
  const names = ['diff-tree', '-r', '-z', '-M', '--name-status', '--diff-filter=R', `${commit}^`, commit];
  const fields = (await repository.git(names, options)).stdout.split('\0');
  const from = fields.findIndex((field, index) => index % 3 === 1 && field === file);
  return from < 0 ? undefined : fields[from + 1];
}

/** What came of `git am --3way`, by its output. */
function tried(merge: string): string {
  const files = [...merge.matchAll(/^CONFLICT \([^)]*\): (?:Merge conflict in )?(\S+)/gm)].map(
    ([, file]) => file!,
  );
  const what =
    files.length > 0
      ? `conflicts in ${[...new Set(files)].join(', ')}`
      : /lacks necessary blobs|information is lacking/.test(merge)
        ? 'fails, because the base lacks the files that the patch was made from'
        : 'fails too';
  return `a three-way merge (git am --3way) was tried and ${what}`;
}
