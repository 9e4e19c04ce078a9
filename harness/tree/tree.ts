// SPDX-License-Identifier: MIT
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { withoutCr } from '../series/mail.ts';
import type { Patch } from '../series/patch.ts';
import type { Series } from '../series/series.ts';
import { readCachedJson, writeAtomic } from '../util/files.ts';
import { git } from '../util/git.ts';
import { contentKey } from '../util/hash.ts';
import { plural } from '../util/plural.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { applyMails } from './am.ts';
import type { Base } from './base.ts';
import type { Named } from './conflict.ts';
import { applyRange } from './range.ts';
import { hashes, type Repository, scratchRepository } from './repository.ts';

/** A patch as a commit; `files` are the paths it touches. */
export type AppliedPatch = { series: string; file: string; subject: string; commit: string; files: string[] };

/** The base with every series applied, one commit a patch. */
export type Tree = {
  key: string;
  commit: string;
  /** Git's tree hash: equal for equal sources, whatever their history. */
  content: string;
  gitDir: string;
  patches: AppliedPatch[];
  /** Sentences for the user, about how the patches were applied. */
  warnings: string[];
  /** Every symbol that some Kconfig file of the tree defines, without CONFIG_. */
  symbols: string[];
};

/**
 * Apply the series in order. On failure throws does-not-apply, which names patch, file and hunk, and leaves nothing
 * behind.
 */
export async function applySeries(
  base: Base,
  series: Series[],
  context: Context,
): Promise<{ tree: Tree; cached: boolean }> {
  const patches = series.flatMap((one) => one.patches.map((patch) => ({ series: one, patch })));
  const key = contentKey(
    'tree 3',
    base.commit,
    ...patches.flatMap(({ series: { name, range }, patch }) => [
      range === null ? name : `range ${name}`,
      patch.file,
      patch.content,
      ...(patch.recoded ? [patch.recoded.content] : []),
    ]),
  );
  const record = join(context.cache, 'trees', `${key}.json`);
  const found = await readCachedJson<Tree>(record);
  if (found?.commit) {
    const tree = { ...found, gitDir: base.gitDir };
    if (await hasCommit(tree)) return { tree, cached: true };
  }
  await using scratch = await scratchDirectory(join(context.cache, 'scratch'));
  const repository = await scratchRepository(base, scratch.path, context);
  const warnings = await applyAll(repository, base, series, context);
  const tree = await readTree(base, key, repository, patches, warnings, context);
  await git(base.gitDir, ['update-ref', `refs/kiln/trees/${key}`, tree.commit]);
  await writeAtomic(record, JSON.stringify(tree));
  return { tree, cached: false };
}

/**
 * Apply the first patches only, counted from the first patch of `series` on. What comes after them need not apply.
 * @param series in which `before` series are not counted, and all applied
 */
export async function applyUpTo(
  base: Base,
  series: Series[],
  { before, count }: { before: number; count: number },
  context: Context,
): Promise<{ tree: Tree; cached: boolean }> {
  const uncounted = countPatches(series.slice(0, before));
  try {
    const { tree, cached } = await applySeries(base, series, context);
    return { tree: await treeAt(base, tree, uncounted + count, context), cached };
  } catch (error) {
    if (!(error instanceof KilnError) || error.code !== 'does-not-apply') throw error;
    return applySeries(base, [...series.slice(0, before), ...firstOf(series.slice(before), count)], context);
  }
}

/** The patches of several series. */
export function countPatches(series: readonly Pick<Series, 'patches'>[]): number {
  return series.reduce((sum, { patches }) => sum + patches.length, 0);
}

/** The first patches of several series. */
function firstOf(series: Series[], count: number): Series[] {
  let left = count;
  return series.flatMap((one) => {
    const patches = one.patches.slice(0, left);
    left -= patches.length;
    const range = one.range && { ...one.range, commits: one.range.commits.slice(0, patches.length) };
    return patches.length === 0 ? [] : [{ ...one, patches, range }];
  });
}

/** The tree as it is after the first `count` of its patches; the base if that is 0. */
async function treeAt(base: Base, tree: Tree, count: number, context: Context): Promise<Tree> {
  if (count >= tree.patches.length) return tree;
  const patches = tree.patches.slice(0, count);
  const commit = patches.at(-1)?.commit ?? base.commit;
  const { stdout: content } = await git(base.gitDir, ['rev-parse', `${commit}^{tree}`]);
  const symbols = await kconfigSymbols(base.gitDir, commit, context);
  return { ...tree, key: contentKey('tree at', tree.key, String(count)), commit, content, patches, symbols };
}

/** The commit is missing if the base was removed from the cache and fetched again. */
async function hasCommit({ gitDir, commit }: Tree): Promise<boolean> {
  return (await git(gitDir, ['cat-file', '-e', commit], { okCodes: [0, 1, 128] })).exitCode === 0;
}

/**
 * Apply the series in order. Series of mails that follow one another are applied together.
 * @returns warnings
 */
async function applyAll(
  repository: Repository,
  base: Base,
  series: Series[],
  context: Context,
): Promise<string[]> {
  const count = countPatches(series);
  if (count > 0) context.progress(`applying ${plural(count, 'patch')}`);
  const warnings: string[] = [];
  let mails: Named[] = [];
  const flush = async () => {
    warnings.push(...(await applyByMail(repository, base, mails, context)));
    mails = [];
  };
  for (const one of series) {
    const { range } = one;
    if (range === null) {
      mails.push(...one.patches.map((patch) => ({ series: one, patch })));
      continue;
    }
    await flush();
    warnings.push(...(await applyRange(repository, base, { ...one, range }, context)));
  }
  await flush();
  return warnings;
}

async function applyByMail(
  repository: Repository,
  base: Base,
  patches: Named[],
  context: Context,
): Promise<string[]> {
  if (patches.length === 0) return [];
  await using scratch = await scratchDirectory(dirname(repository.gitDir));
  const files = patches.map((_, index) => join(scratch.path, String(index + 1).padStart(6, '0')));
  const recoded = new Map<Patch, string>();
  for (const [index, { patch }] of patches.entries()) {
    await writeFile(files[index]!, asMail(patch.content, patch.file));
    if (patch.recoded === null) continue;
    recoded.set(patch, `${files[index]}.recoded`);
    await writeFile(recoded.get(patch)!, asMail(patch.recoded.content, patch.file));
  }
  return await applyMails(repository, base, { patches, files, recoded }, context);
}

/**
 * quilt accepts bare diffs, git needs mails. A mail without a date gets a fixed one; git would use the current time.
 */
function asMail(patch: Buffer, name: string): Buffer {
  const content = Buffer.from(withoutCr(patch.toString('latin1')), 'latin1');
  const head = content.subarray(0, 65_536).toString('latin1');
  const header = (head.split(/^(?:diff --git |--- )/m)[0] ?? '').split(/\r?\n\r?\n/)[0] ?? '';
  const isMail =
    /^From(:| \S+ )/m.test(header) && header.split(/\r?\n/).every((line) => headerLine.test(line));
  if (!isMail) {
    const made = `From: unknown <unknown@localhost>\n${noDate}Subject: ${name}\n\n`;
    return Buffer.concat([Buffer.from(made), content]);
  }
  if (/^Date:/im.test(header)) return content;
  const from = /^From:/m.exec(head)?.index ?? 0;
  return Buffer.concat([content.subarray(0, from), Buffer.from(noDate), content.subarray(from)]);
}

/** A header field, its continuation, an mbox From line, or an empty line. */
const headerLine = /^(?:[A-Za-z0-9-]+:|\s|>?From |$)/;
const noDate = 'Date: Thu, 1 Jan 1970 00:00:00 +0000\n';

async function readTree(
  base: Base,
  key: string,
  repository: Repository,
  patches: Named[],
  warnings: string[],
  context: Context,
): Promise<Tree> {
  const range = `${base.commit}..HEAD`;
  const format = '--format=%x00%H%n%s';
  const log = await repository.git(['log', '--reverse', format, '--name-only', '--no-renames', range]);
  const commits = log.stdout.split('\0').slice(1);
  const [commit, content] = await hashes(repository, 'HEAD', 'HEAD^{tree}');
  return {
    key,
    commit: commit!,
    content: content!,
    gitDir: base.gitDir,
    patches: commits.map((text, index) => {
      // The subject is empty if the message is.
      const [hash = '', subject = '', ...files] = text.split('\n');
      const { series, patch } = patches[Math.min(index, patches.length - 1)]!;
      const touched = files.filter((file) => file !== '');
      return { series: series.name, file: patch.file, subject, commit: hash, files: touched };
    }),
    warnings,
    symbols: await kconfigSymbols(base.gitDir, commit!, context),
  };
}

/** Reading all Kconfig files takes longer than to see whether they are those of another tree. */
async function kconfigSymbols(gitDir: string, commit: string, { cache }: Context): Promise<string[]> {
  const files = (await git(gitDir, ['ls-tree', '-r', commit])).stdout
    .split('\n')
    .filter((line) => line.includes('Kconfig'));
  const record = join(cache, 'symbols', `${contentKey('symbols 1', ...files)}.json`);
  const found = await readCachedJson<string[]>(record);
  if (Array.isArray(found)) return found;
  const symbols = await readSymbols(gitDir, commit);
  await writeAtomic(record, JSON.stringify(symbols));
  return symbols;
}

async function readSymbols(gitDir: string, commit: string): Promise<string[]> {
  // Those of a choice are often indented.
  const pattern = '^[[:space:]]*(menu)?config[[:space:]]+[A-Za-z0-9_]+[[:space:]]*$';
  const grep = await git(gitDir, ['grep', '-ahoE', pattern, commit, '--', '*Kconfig*'], { okCodes: [0, 1] });
  const names = grep.stdout.split('\n').map((line) => line.trim().split(/\s+/)[1] ?? '');
  return [...new Set(names)].filter((name) => name !== '').sort();
}

/** Every file the series touches, with the last patch to touch it. */
export function lastToTouch(tree: Pick<Tree, 'patches'>): Map<string, AppliedPatch> {
  return new Map(tree.patches.flatMap((patch) => patch.files.map((file) => [file, patch] as const)));
}
