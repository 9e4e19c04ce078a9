// SPDX-License-Identifier: MIT
// The commit that a series was made on, by the blobs that its diffs name.
import type { Context } from '../context.ts';
import { git } from '../util/git.ts';
import { plural } from '../util/plural.ts';
import { allRefs, type Commit, commitFormat, linesOf, parseCommit, readCommits } from './history.ts';
import type { Preimages } from './preimages.ts';

/** A commit, or why there is none: a sentence. */
export type Matching = { commit: string; why?: never } | { commit?: never; why: string };

/**
 * The newest commit of a repository, on any of its refs, in which each file is as the series found it. That is the tip of
 * a ref, or the commit before one that changes such a file, so only these are looked at.
 * @param dir a repository with its history; only read
 */
export async function findMatchingCommit(
  dir: string,
  preimages: Preimages,
  context: Context,
): Promise<Matching> {
  const files = [...preimages.values()].filter((blob) => blob !== null).length;
  if (files === 0) return { why: 'the series changes no file that was there before' };
  const missing = await findMissingBlob(dir, preimages, context);
  if (missing !== undefined) return { why: missing };
  const tips = await readCommits(dir, allRefs, context);
  let [best] = await matchingOf(dir, tips, preimages, context);
  for await (const { date, parents } of changesOf(dir, preimages, context)) {
    // The walk goes from the newest to the oldest.
    if (best !== undefined && date <= best.date) break;
    const [found] = await matchingOf(dir, await readCommits(dir, parents, context), preimages, context);
    if (found !== undefined && (best === undefined || found.date > best.date)) best = found;
  }
  if (best !== undefined) return { commit: best.commit };
  return {
    why: `no commit in ${dir} has the ${files === 1 ? 'blob of the file' : `blobs of all ${plural(files, 'file')}`}`,
  };
}

/** A sentence about the first blob that no object of the repository can be. */
async function findMissingBlob(
  dir: string,
  preimages: Preimages,
  { signal }: Context,
): Promise<string | undefined> {
  // A partial clone has not all blobs, and would fetch them one by one.
  const ask = ['config', '--get-regexp', '^remote\\..*\\.promisor$'];
  if ((await git(dir, ask, { signal, okCodes: [0, 1] })).exitCode === 0) return undefined;
  const named = [...preimages].filter(([, blob]) => blob);
  const input = named.map(([, blob]) => `${blob}\n`).join('');
  const { stdout } = await git(dir, ['cat-file', '--batch-check'], { signal, input });
  const at = stdout.split('\n').findIndex((line) => line.endsWith(' missing'));
  const [path, blob] = named[at] ?? [];
  return path === undefined ? undefined : `${dir} does not have the blob ${blob} of ${path}`;
}

/** Commits that take away what a series found, the newest first. */
async function* changesOf(dir: string, preimages: Preimages, context: Context): AsyncGenerator<Commit> {
  const walk = ['log', ...allRefs, '--full-history', `--format=${commitFormat}`];
  // -m: a merge that brings another blob takes this one away from one of its parents.
  const show = ['-m', '--raw', '--no-abbrev', '--no-renames', '--', ...preimages.keys()];
  let current: Commit | undefined;
  for await (const line of linesOf(dir, ['--literal-pathspecs', ...walk, ...show], context)) {
    if (!line.startsWith(':')) {
      if (line !== '') current = parseCommit(line);
      continue;
    }
    const { path, before } = parseRaw(line);
    if (current === undefined || !fits(preimages.get(path), before)) continue;
    yield current;
    current = undefined;
  }
}

/** Of these commits those in which each file is as the series found it, in their order. */
async function matchingOf(
  dir: string,
  commits: Commit[],
  preimages: Preimages,
  { signal }: Context,
): Promise<Commit[]> {
  if (commits.length === 0) return [];
  const trees = [...new Set(commits.map(({ tree }) => tree))];
  // Only trees are read, which a partial clone has.
  const ask = ['--literal-pathspecs', 'diff-tree', '--stdin', '-r', '--raw', '--no-abbrev', '--no-renames'];
  const { stdout } = await git(dir, [...ask, '--', ...preimages.keys()], {
    signal,
    input: trees.map((tree) => `${emptyTree} ${tree}\n`).join(''),
  });
  const contents = new Map(trees.map((tree) => [tree, new Map<string, string>()]));
  let current: Map<string, string> | undefined;
  for (const line of stdout.split('\n')) {
    if (line.startsWith(':')) {
      const { path, after } = parseRaw(line);
      current?.set(path, after);
    } else current = contents.get(line.split(' ')[1] ?? '');
  }
  const has = (tree: string) =>
    [...preimages].every(([path, blob]) => fits(blob, contents.get(tree)!.get(path)));
  const matching = new Set(trees.filter(has));
  return commits.filter(({ tree }) => matching.has(tree));
}

/** git knows it without having it. */
const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

/** `:MODE MODE BLOB BLOB STATUS\tPATH`; the blob of a file that is not there is null. */
function parseRaw(line: string): { path: string; before: string | undefined; after: string } {
  const [fields = '', path = ''] = line.split('\t');
  const [, , before = '', after = ''] = fields.split(' ');
  return { path, before: /^0+$/.test(before) ? undefined : before, after };
}

/** @param wanted of a path of Preimages. @param blob what is there */
function fits(wanted: string | null | undefined, blob: string | undefined): boolean {
  if (wanted === null) return blob === undefined;
  return wanted !== undefined && blob?.startsWith(wanted) === true;
}
