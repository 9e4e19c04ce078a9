// SPDX-License-Identifier: MIT
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Context } from '../context.ts';
import type { Patch } from '../series/patch.ts';
import type { Series } from '../series/series.ts';
import type { ExecOptions, ExecResult } from '../util/exec.ts';
import { readCachedJson, readIfThere, writeAtomic } from '../util/files.ts';
import { git } from '../util/git.ts';
import { contentKey } from '../util/hash.ts';
import { plural } from '../util/plural.ts';
import { scratchDirectory } from '../util/scratch.ts';
import type { Base } from './base.ts';
import { describeConflict } from './conflict.ts';

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
  const patches = series.flatMap((one) => one.patches.map((patch) => ({ series: one.name, patch })));
  const key = contentKey(
    'tree 1',
    base.commit,
    ...patches.flatMap(({ series: name, patch }) => [name, patch.file, patch.content]),
  );
  const record = join(context.cache, 'trees', `${key}.json`);
  const found = await readCachedJson<Tree>(record);
  if (found?.commit) {
    const tree = { ...found, gitDir: base.gitDir };
    if (await hasCommit(tree)) return { tree, cached: true };
  }
  await using scratch = await scratchDirectory(join(context.cache, 'scratch'));
  const repository = await scratchRepository(base, scratch.path, context);
  await amAll(repository, patches, join(scratch.path, 'mail'), context);
  const tree = await readTree(base, key, repository, patches);
  await git(base.gitDir, ['update-ref', `refs/kiln/trees/${key}`, tree.commit]);
  await writeAtomic(record, JSON.stringify(tree));
  return { tree, cached: false };
}

/** The commit is missing if the base was removed from the cache and fetched again. */
async function hasCommit({ gitDir, commit }: Tree): Promise<boolean> {
  return (await git(gitDir, ['cat-file', '-e', commit], { okCodes: [0, 1, 128] })).exitCode === 0;
}

/** A repository with a work tree. */
type Repository = {
  gitDir: string;
  directory: string;
  git: (args: string[], options?: ExecOptions) => Promise<ExecResult>;
};

/**
 * A repository that writes its objects into the base's, so that several runs can apply at once. Its work tree is sparse
 * and has no files: git checks out only those that the patches touch, so applying takes a second.
 */
async function scratchRepository(base: Base, scratch: string, context: Context): Promise<Repository> {
  const gitDir = join(scratch, 'repo.git');
  const directory = join(scratch, 'tree');
  const env = {
    GIT_DIR: gitDir,
    GIT_WORK_TREE: directory,
    GIT_OBJECT_DIRECTORY: join(base.gitDir, 'objects'),
  };
  const sparse = ['-c', 'core.sparseCheckout=true', '-c', 'core.sparseCheckoutCone=false'];
  await mkdir(directory);
  const repository: Repository = {
    gitDir,
    directory,
    git: (args, options = {}) =>
      git(directory, [...sparse, ...args], { signal: context.signal, ...options, env }),
  };
  await repository.git(['init', '--quiet', '--template=']);
  await mkdir(join(gitDir, 'info'));
  await writeFile(join(gitDir, 'info', 'sparse-checkout'), '/.nothing\n');
  await writeFile(join(gitDir, 'HEAD'), `${base.commit}\n`);
  await repository.git(['read-tree', '--reset', '-u', 'HEAD']);
  return repository;
}

type Named = { series: string; patch: Patch };

async function amAll(
  repository: Repository,
  patches: Named[],
  mailDir: string,
  context: Context,
): Promise<void> {
  if (patches.length === 0) return;
  context.progress(`applying ${plural(patches.length, 'patch')}`);
  await mkdir(mailDir);
  const names = patches.map((_, index) => String(index + 1).padStart(6, '0'));
  for (const [index, { patch }] of patches.entries())
    await writeFile(join(mailDir, names[index]!), asMail(patch));
  let done = 0;
  // Names are short, because very many patches must fit on one command line.
  const files = names.map((name) => join(relative(repository.directory, mailDir), name));
  const result = await repository.git(['am', '--committer-date-is-author-date', ...files], {
    okCodes: [0, 1, 128],
    onLine: (line) => {
      if (line.startsWith('Applying: ')) context.progress('applying patches', ++done, patches.length);
    },
  });
  if (result.exitCode === 0) return;
  const next = await readIfThere(join(repository.gitDir, 'rebase-apply', 'next'));
  const index = Number(next) - 1;
  throw describeConflict(
    patches[index] ?? patches[0]!,
    `${result.stdout.replace(/^Applying: .*$/gm, '')}\n${result.stderr}`,
  );
}

/**
 * quilt accepts bare diffs, git needs mails. A mail without a date gets a fixed one; git would use the current time.
 */
function asMail(patch: Patch): Buffer {
  const head = patch.content.subarray(0, 65_536).toString('latin1');
  const header = (head.split(/^(?:diff --git |--- )/m)[0] ?? '').split(/\r?\n\r?\n/)[0] ?? '';
  const isMail =
    /^From(:| \S+ )/m.test(header) && header.split(/\r?\n/).every((line) => headerLine.test(line));
  if (!isMail) {
    const made = `From: unknown <unknown@localhost>\n${noDate}Subject: ${patch.file}\n\n`;
    return Buffer.concat([Buffer.from(made), patch.content]);
  }
  if (/^Date:/im.test(header)) return patch.content;
  const from = /^From:/m.exec(head)?.index ?? 0;
  return Buffer.concat([patch.content.subarray(0, from), Buffer.from(noDate), patch.content.subarray(from)]);
}

/** A header field, its continuation, an mbox From line, or an empty line. */
const headerLine = /^(?:[A-Za-z0-9-]+:|\s|>?From |$)/;
const noDate = 'Date: Thu, 1 Jan 1970 00:00:00 +0000\n';

async function readTree(base: Base, key: string, repository: Repository, patches: Named[]): Promise<Tree> {
  const range = `${base.commit}..HEAD`;
  const format = '--format=%x00%H%n%s';
  const log = await repository.git(['log', '--reverse', format, '--name-only', '--no-renames', range]);
  const commits = log.stdout.split('\0').slice(1);
  const head = (await repository.git(['rev-parse', 'HEAD', 'HEAD^{tree}'])).stdout.trim().split('\n');
  return {
    key,
    commit: head[0]!,
    content: head[1]!,
    gitDir: base.gitDir,
    patches: commits.map((text, index) => {
      const [commit, subject, ...files] = text.split('\n').filter((line) => line !== '');
      const { series, patch } = patches[Math.min(index, patches.length - 1)]!;
      return { series, file: patch.file, subject: subject ?? '', commit: commit ?? '', files };
    }),
    symbols: await kconfigSymbols(repository),
  };
}

async function kconfigSymbols(repository: Repository): Promise<string[]> {
  const pattern = '^(menu)?config[[:space:]]+[A-Za-z0-9_]+';
  const grep = await repository.git(['grep', '--cached', '-hoE', pattern, '--', '*Kconfig*'], {
    okCodes: [0, 1],
  });
  const names = grep.stdout.split('\n').map((line) => line.split(/\s+/)[1] ?? '');
  return [...new Set(names)].filter((name) => name !== '').sort();
}

/** Every file the series touches, with the last patch to touch it. */
export function lastToTouch(tree: Pick<Tree, 'patches'>): Map<string, AppliedPatch> {
  return new Map(tree.patches.flatMap((patch) => patch.files.map((file) => [file, patch] as const)));
}
