// SPDX-License-Identifier: MIT
// The history of a repository of the user's, which is only read.
import { createInterface } from 'node:readline';
import type { Context } from '../context.ts';
import { interrupted, KilnError } from '../errors.ts';
import type { ChildResult } from '../util/exec.ts';
import { git, startGit } from '../util/git.ts';

/** A commit, its tree, its committer date in seconds, and its parents. */
export type Commit = { commit: string; tree: string; date: number; parents: string[] };

/** For all commands that walk: every branch, tag and HEAD; neither what is stashed nor notes. */
export const allRefs = ['--exclude=refs/stash', '--exclude=refs/notes/*', '--all'];

export const commitFormat = '%H %T %ct %P';

export function parseCommit(line: string): Commit {
  const [commit = '', tree = '', date = '0', ...parents] = line.split(' ');
  return { commit, tree, date: Number(date), parents: parents.filter(Boolean) };
}

/** Throws bad-input if there is no repository that Kiln can read. */
export async function checkRepository(dir: string, { signal }: Context): Promise<void> {
  const ask = ['rev-parse', '--show-object-format'];
  const { stdout, exitCode } = await git(dir, ask, { signal, okCodes: [0, 128] });
  if (exitCode !== 0)
    throw new KilnError('bad-input', `there is no git repository at ${dir}`, {
      hint: 'give a clone of Linux, with its history: --repo DIR',
    });
  if (stdout !== 'sha1')
    throw new KilnError('bad-input', `${dir} names its objects by SHA-256, which Kiln can't read`, {
      hint: 'leave out --repo, and name the base with --base',
    });
}

/** Read the lines that git prints, one by one. Git is ended when the caller breaks off. */
export async function* linesOf(dir: string, args: string[], { signal }: Context): AsyncGenerator<string> {
  const child = startGit(dir, args, signal);
  child.stdin!.end();
  let isRead = false;
  try {
    yield* createInterface({ input: child.stdout!, crlfDelay: Number.POSITIVE_INFINITY });
    isRead = true;
  } finally {
    if (!isRead) {
      child.kill();
      await child;
    }
  }
  checkEnd(await child, dir, args);
}

/** The output of git as bytes, for what may be in any encoding. */
export async function bytesOf(
  dir: string,
  args: string[],
  input: string,
  { signal }: Context,
): Promise<Buffer> {
  const child = startGit(dir, args, signal);
  child.stdin!.on('error', () => {});
  child.stdin!.end(input);
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout! as AsyncIterable<Buffer>) chunks.push(chunk);
  checkEnd(await child, dir, args);
  return Buffer.concat(chunks);
}

function checkEnd(result: ChildResult, dir: string, args: string[]): void {
  if (result.isCanceled) throw interrupted();
  if (result.exitCode === 0) return;
  throw new KilnError('bad-input', `git can't read the history of ${dir}`, {
    hint: `look for damage with git -C ${dir} fsck; a partial or shallow clone may lack it`,
    details: { command: ['git', ...args].join(' ') },
  });
}

/** These commits, the newest first. */
export async function readCommits(dir: string, names: string[], { signal }: Context): Promise<Commit[]> {
  const ask = ['rev-list', '--no-walk=sorted', '--no-commit-header', `--format=${commitFormat}`, ...names];
  const { stdout } = await git(dir, ask, { signal });
  return stdout.split('\n').filter(Boolean).map(parseCommit);
}

/** The commit that a hash, which may be abbreviated, names; undefined: it is not there, or not the only one. */
export async function findCommit(
  dir: string,
  hash: string,
  { signal }: Context,
): Promise<string | undefined> {
  const ask = ['rev-parse', '--verify', '--quiet', `${hash}^{commit}`];
  const { stdout } = await git(dir, ask, { signal, okCodes: [0, 1, 128] });
  // A branch may be called like the beginning of a hash.
  return stdout !== '' && stdout.startsWith(hash) ? stdout : undefined;
}

export async function isShallow(dir: string, { signal }: Context): Promise<boolean> {
  return (await git(dir, ['rev-parse', '--is-shallow-repository'], { signal })).stdout === 'true';
}
