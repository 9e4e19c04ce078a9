// SPDX-License-Identifier: MIT
import { lstat, mkdir, readdir, realpath, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Context } from '../context.ts';
import type { Tree } from '../tree/tree.ts';
import { exec } from '../util/exec.ts';
import { exists, readIfThere, writeAtomic } from '../util/files.ts';
import { git } from '../util/git.ts';
import { contentKey } from '../util/hash.ts';
import { lock } from '../util/lock.ts';
import { scratchDirectory } from '../util/scratch.ts';

/** Where kernels are built: one checked-out tree a base, with a build directory a config beside it. */
export type Workspace = AsyncDisposable & {
  source: string;
  build: string;
  /** Where make finds the build directory: the same path in every build, so that no command line changes. */
  seenAs: string;
};

/**
 * Take the base's workspace and bring its files to the tree. Git touches only the files that differ, so make
 * rebuilds only what they reach. Held under a lock until disposed. What comes from elsewhere builds in a copy of
 * the build directory, which nobody uses after it: it could leave objects that make takes for its own.
 * @param buildName names the build directory, which is kept and reused
 */
export async function openWorkspace(tree: Tree, buildName: string, context: Context): Promise<Workspace> {
  const home = dirname(tree.gitDir);
  await using undo = new AsyncDisposableStack();
  undo.use(
    await lock(join(context.cache, 'locks', `workspace-${contentKey(home)}`), {
      signal: context.signal,
      onWait: () =>
        context.note('info', 'another run is building a kernel from the same base: waiting for it'),
    }),
  );
  const source = join(home, 'source');
  const kept = join(home, 'build', buildName);
  context.progress('checking out the tree');
  await checkout(tree, source, context);
  await mkdir(kept, { recursive: true });
  await mend(kept);
  const build = context.sandbox?.flags && context.sandbox.foreign ? await copy(kept, undo, context) : kept;
  const rest = undo.move();
  return { source, build, seenAs: kept, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

/** Is in a build directory while make may be at work there. */
export const unfinished = 'kiln.unfinished';
/** Milliseconds that a compiler may let pass between two writes to one file. */
const longestPause = 120_000;

/**
 * Kill -9 leaves files half written, which make takes for done. What was written last before the kill goes and is made
 * anew.
 */
async function mend(build: string): Promise<void> {
  if (!(await exists(join(build, unfinished)))) return;
  const entries = await readdir(build, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const times = await Promise.all(files.map(async (file) => (await lstat(file)).mtimeMs));
  const last = times.reduce((most, time) => Math.max(most, time), 0);
  await Promise.all(files.map((file, index) => times[index]! > last - longestPause && rm(file)));
  await rm(join(build, unfinished), { force: true });
}

async function copy(kept: string, undo: AsyncDisposableStack, context: Context): Promise<string> {
  const scratch = undo.use(await scratchDirectory(join(context.cache, 'scratch')));
  context.progress('copying the build directory');
  const words = ['--archive', '--reflink=auto', `${kept}/.`, scratch.path];
  await exec('cp', words, { signal: context.signal });
  return scratch.path;
}

/**
 * Have repository and worktree point at each other: in a cache that was moved they have the old place, and of two
 * copies of one cache each could have the other's. Returns false if the repository knows of no worktree.
 */
async function link(gitDir: string, source: string): Promise<boolean> {
  const [repository, worktree] = await Promise.all([realpath(gitDir), realpath(source)]);
  const admin = join(repository, 'worktrees', basename(source));
  if (!(await exists(admin))) return false;
  await writeIfOther(join(worktree, '.git'), `gitdir: ${admin}\n`);
  await writeIfOther(join(admin, 'gitdir'), `${join(worktree, '.git')}\n`);
  return true;
}

async function writeIfOther(path: string, text: string): Promise<void> {
  if ((await readIfThere(path)) !== text) await writeAtomic(path, text);
}

async function checkout(tree: Tree, source: string, context: Context): Promise<void> {
  const { signal } = context;
  if (!(await exists(join(source, 'Makefile'))) || !(await link(tree.gitDir, source))) {
    await rm(source, { recursive: true, force: true });
    await git(tree.gitDir, ['worktree', 'prune'], { signal });
    await git(tree.gitDir, ['worktree', 'add', '--quiet', '--detach', source, tree.commit], { signal });
    return;
  }
  // We hold the lock, so a lock file of git's is what a killed run left.
  const gitLock = await git(source, ['rev-parse', '--path-format=absolute', '--git-path', 'index.lock'], {
    signal,
  });
  await rm(gitLock.stdout.trim(), { force: true });
  await git(source, ['checkout', '--quiet', '--force', '--detach', tree.commit], { signal });
  await git(source, ['clean', '--quiet', '-dffx'], { signal });
}
