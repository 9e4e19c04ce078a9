// SPDX-License-Identifier: MIT
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Context } from '../context.ts';
import type { Patch } from '../series/patch.ts';
import type { Series } from '../series/series.ts';
import { readCachedJson, readIfThere, writeAtomic } from '../util/files.ts';
import { git } from '../util/git.ts';
import { contentKey } from '../util/hash.ts';
import { lock } from '../util/lock.ts';
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
  // git can't add and remove worktrees of one repository concurrently.
  await using _lock = await lock(join(context.cache, 'locks', `apply-${contentKey(base.gitDir)}`), {
    signal: context.signal,
    onWait: () => context.note('info', 'another run is applying patches to the same base: waiting for it'),
  });
  const scratch = await scratchDirectory(join(context.cache, 'scratch'));
  try {
    const worktree = await emptyWorktree(base, join(scratch.path, 'tree'), context);
    await amAll(worktree, patches, join(scratch.path, 'mail'), context);
    const tree = await readTree(base, key, worktree, patches, context);
    await git(base.gitDir, ['update-ref', `refs/kiln/trees/${key}`, tree.commit]);
    await writeAtomic(record, JSON.stringify(tree));
    return { tree, cached: false };
  } finally {
    await scratch[Symbol.asyncDispose]();
    await git(base.gitDir, ['worktree', 'prune']);
  }
}

/** The commit is missing if the base was removed from the cache and fetched again. */
async function hasCommit({ gitDir, commit }: Tree): Promise<boolean> {
  return (await git(gitDir, ['cat-file', '-e', commit], { okCodes: [0, 1, 128] })).exitCode === 0;
}

/** A sparse worktree without files. git checks out only those that the patches touch, so applying takes a second. */
async function emptyWorktree(base: Base, path: string, context: Context): Promise<string> {
  const { signal } = context;
  await git(base.gitDir, ['worktree', 'prune'], { signal });
  await git(base.gitDir, ['worktree', 'add', '--quiet', '--no-checkout', '--detach', path, base.commit], {
    signal,
  });
  await git(path, ['sparse-checkout', 'set', '--no-cone', '/.nothing'], { signal });
  await git(path, ['read-tree', '--reset', '-u', 'HEAD'], { signal });
  return path;
}

type Named = { series: string; patch: Patch };

async function amAll(worktree: string, patches: Named[], mailDir: string, context: Context): Promise<void> {
  if (patches.length === 0) return;
  context.progress(`applying ${patches.length} patches`);
  await mkdir(mailDir);
  const names = patches.map((_, index) => String(index + 1).padStart(6, '0'));
  for (const [index, { patch }] of patches.entries())
    await writeFile(join(mailDir, names[index]!), asMail(patch));
  let done = 0;
  // Names are short, because very many patches must fit on one command line.
  const files = names.map((name) => join(relative(worktree, mailDir), name));
  const result = await git(worktree, ['am', '--committer-date-is-author-date', ...files], {
    signal: context.signal,
    okCodes: [0, 1, 128],
    onLine: (line) => {
      if (line.startsWith('Applying: ')) context.progress('applying patches', ++done, patches.length);
    },
  });
  if (result.exitCode === 0) return;
  const next = (
    await git(worktree, ['rev-parse', '--path-format=absolute', '--git-path', 'rebase-apply/next'])
  ).stdout;
  const index = Number(await readIfThere(next.trim())) - 1;
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

async function readTree(
  base: Base,
  key: string,
  worktree: string,
  patches: Named[],
  context: Context,
): Promise<Tree> {
  const { signal } = context;
  const range = `${base.commit}..HEAD`;
  const log = await git(
    worktree,
    ['log', '--reverse', '--format=%x00%H%n%s', '--name-only', '--no-renames', range],
    {
      signal,
    },
  );
  const commits = log.stdout.split('\0').slice(1);
  const head = (await git(worktree, ['rev-parse', 'HEAD', 'HEAD^{tree}'], { signal })).stdout
    .trim()
    .split('\n');
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
    symbols: await kconfigSymbols(worktree, signal),
  };
}

async function kconfigSymbols(worktree: string, signal: AbortSignal): Promise<string[]> {
  const pattern = '^(menu)?config[[:space:]]+[A-Za-z0-9_]+';
  const grep = await git(worktree, ['grep', '--cached', '-hoE', pattern, '--', '*Kconfig*'], {
    signal,
    okCodes: [0, 1],
  });
  const names = grep.stdout.split('\n').map((line) => line.split(/\s+/)[1] ?? '');
  return [...new Set(names)].filter((name) => name !== '').sort();
}

/** Every file the series touches, with the last patch to touch it. */
export function lastToTouch(tree: Pick<Tree, 'patches'>): Map<string, AppliedPatch> {
  return new Map(tree.patches.flatMap((patch) => patch.files.map((file) => [file, patch] as const)));
}
