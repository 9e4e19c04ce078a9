// SPDX-License-Identifier: MIT
// The commits of a range, applied. On the tree that they were made on, the trees are taken as they are; on another, each
// commit is applied as the diff that it is.
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { namePatch } from '../series/patch.ts';
import type { Range } from '../series/range.ts';
import type { Series } from '../series/series.ts';
import { applyMails } from './am.ts';
import type { Base } from './base.ts';
import { hashes, type Repository, setHead } from './repository.ts';

/** A series that was read from a range. */
export type RangeSeries = Series & { range: Range };

/**
 * Apply a range on HEAD; HEAD is then its last patch.
 * @returns warnings
 */
export async function applyRange(
  repository: Repository,
  base: Base,
  series: RangeSeries,
  context: Context,
): Promise<string[]> {
  const { range } = series;
  const [head, tree] = (await hashes(repository, 'HEAD', 'HEAD^{tree}')) as [string, string];
  const own = tree === range.from.tree;
  if (!own) refuseMerges(series);
  const { trees, warnings } = own
    ? { trees: range.commits.map((commit) => commit.tree), warnings: [] }
    : await applyDiffs(repository, base, series, context);
  await copyObjects(repository, range, { trees, but: tree });
  await setHead(repository, await writeCommits(repository, range, trees, head));
  const [result] = await hashes(repository, 'HEAD^{tree}');
  if (result !== trees.at(-1))
    throw new KilnError('infrastructure', `${series.name}: the tree is ${result}, not ${trees.at(-1)}`);
  return warnings;
}

/** What a merge changes is the work of others: on another base it is another merge. */
function refuseMerges({ name, source, range }: RangeSeries): void {
  const [first, ...others] = range.merges;
  if (first === undefined) return;
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  throw new KilnError(
    'bad-input',
    `${name}: ${source} has merges ("${first}"${more}), which can be taken only on the range's own base, with no series before it`,
    {
      hint: `use --base git:${range.repository}#${range.from.commit.slice(0, 12)}, or rebase the range so that it has no merge`,
      details: { series: name },
    },
  );
}

/**
 * Where git writes, and where it reads too: the objects of the user's repository, and those that applying made. They
 * stay apart from the base's, since only the trees are wanted in the end.
 */
function objectsOf(repository: Repository, range: Range, write: string): Record<string, string> {
  const own = join(repository.gitDir, 'objects');
  const read = [repository.objects, own, range.objects].filter((path) => path !== write);
  return {
    GIT_OBJECT_DIRECTORY: write,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: read.map((path) => JSON.stringify(path)).join(':'),
  };
}

/** Copy what the trees consist of into the base's objects. What `but` has is there. */
async function copyObjects(
  repository: Repository,
  range: Range,
  { trees, but }: { trees: string[]; but: string },
): Promise<void> {
  const input = `${[...new Set(trees)].join('\n')}\n^${but}\n`;
  const pack = join(repository.objects, 'pack', 'pack');
  await mkdir(join(repository.objects, 'pack'), { recursive: true });
  await repository
    .git(['pack-objects', '-q', '--revs', '--delta-base-offset', pack], {
      input,
      env: objectsOf(repository, range, repository.objects),
    })
    .catch((cause) => {
      throw lacksObjects(range, cause);
    });
}

function lacksObjects(range: Range, cause: unknown): unknown {
  if (
    !(cause instanceof KilnError) ||
    !/fatal: (missing|unable to|bad|cannot)/.test(cause.details.output ?? '')
  )
    return cause;
  return new KilnError('bad-input', `${range.repository} lacks files of the range`, {
    hint: `is it a partial clone? get the rest: git -C ${range.repository} fetch --refetch --no-filter`,
    details: { output: cause.details.output ?? '' },
    cause,
  });
}

/** One commit a patch, each on the one before. The committer is Kiln's. @returns the last one */
async function writeCommits(
  repository: Repository,
  range: Range,
  trees: string[],
  head: string,
): Promise<string> {
  const ref = 'refs/kiln/range';
  const commits = range.commits.map(({ author, message }, index) => {
    const [date] = /\S+ \S+$/.exec(author)!;
    return [
      `commit ${ref}`,
      `author ${author}`,
      `committer kiln <kiln@localhost> ${date}`,
      `data ${Buffer.byteLength(message)}`,
      message,
      ...(index === 0 ? [`from ${head}`] : []),
      `M 040000 ${trees[index]} `,
      '',
    ].join('\n');
  });
  const options = ['--quiet', '--force', '--date-format=raw-permissive'];
  await repository.git(['fast-import', ...options], { input: commits.join('\n') });
  return (await hashes(repository, ref))[0]!;
}

/** Apply each commit as the diff that it is. @returns the tree after each */
async function applyDiffs(
  repository: Repository,
  base: Base,
  series: RangeSeries,
  context: Context,
): Promise<{ trees: string[]; warnings: string[] }> {
  const { range, patches } = series;
  const own = join(repository.gitDir, 'objects');
  const env = objectsOf(repository, range, own);
  const apart: Repository = {
    ...repository,
    git: (args, options) => repository.git(args, { ...options, env: { ...env, ...options?.env } }),
  };
  const [before] = await hashes(repository, 'HEAD');
  const links = range.commits.map(({ commit, parent }) => `${commit} ${parent}`);
  const sent = await writeMails(apart, range, links, 'sent');
  const warnings = await applyMails(
    apart,
    base,
    { patches: patches.map((patch) => ({ series, patch })), files: sent },
    context,
  );
  const log = await apart.git(['log', '--reverse', '--format=%H %T %P', `${before}..HEAD`]);
  const applied = log.stdout.split('\n').map((line) => line.split(' ') as [string, string, string]);
  const got = await writeMails(
    apart,
    range,
    applied.map(([commit, , parent]) => `${commit} ${parent}`),
    'got',
  );
  for (const [index, patch] of patches.entries()) {
    const [wanted, made] = await Promise.all([sent, got].map((files) => readChanges(files[index]!)));
    if (wanted !== made)
      warnings.push(`${series.name}: ${namePatch(patch)} changes other lines on this base than in the range`);
  }
  return { trees: applied.map(([, tree]) => tree), warnings };
}

/** The diffs of commits, each as a mail that holds nothing else. @param links `COMMIT PARENT` @returns a file for each */
async function writeMails(
  repository: Repository,
  range: Range,
  links: string[],
  name: string,
): Promise<string[]> {
  const box = join(repository.gitDir, name);
  const dir = `${box}.d`;
  const header = [
    'From %H Thu Jan 1 00:00:00 1970',
    `From: kiln <kiln@localhost>`,
    'Date: @0 +0000',
    'Subject: %H',
  ];
  const format = `--format=${header.join('%n')}%n%n---`;
  const diff = ['-p', '--binary', '--full-index', '-M', '--no-ext-diff', '--no-textconv'];
  await repository
    .git(['diff-tree', '--stdin', ...diff, format, `--output=${box}`], { input: `${links.join('\n')}\n` })
    .catch((cause) => {
      throw lacksObjects(range, cause);
    });
  await mkdir(dir);
  await repository.git(['mailsplit', '--keep-cr', '-d6', `-o${dir}`, box]);
  return (await readdir(dir)).sort().map((file) => join(dir, file));
}

/** The changed lines of a mail's diff and the heads of its files, sorted: where in a file they are does not count. */
async function readChanges(file: string): Promise<string> {
  const lines = (await readFile(file, 'latin1')).split('\n');
  return lines
    .filter((line) => /^([+-]|diff --git |(old|new|deleted) |(rename|copy) )/.test(line))
    .sort()
    .join('\n');
}
