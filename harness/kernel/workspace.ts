// SPDX-License-Identifier: MIT
import { mkdir, realpath, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Tree } from '../tree/tree.ts';
import type { Context } from '../util/context.ts';
import { exists, readIfThere, writeAtomic } from '../util/files.ts';
import { git } from '../util/git.ts';
import { contentKey } from '../util/hash.ts';
import { lock } from '../util/lock.ts';

/** Where kernels are built: one checked-out tree a base, with a build directory a config beside it. */
export type Workspace = AsyncDisposable & { source: string; build: string };

/**
 * Take the base's workspace and bring its files to the tree. Git touches only the files that differ, so make
 * rebuilds only what they reach. Held under a lock until disposed.
 * @param buildName names the build directory, which is kept and reused
 */
export async function openWorkspace(tree: Tree, buildName: string, context: Context): Promise<Workspace> {
  const home = dirname(tree.gitDir);
  const held = await lock(join(context.cache, 'locks', `workspace-${contentKey(home)}`), {
    signal: context.signal,
    onWait: () => context.note('info', 'another run is building a kernel from the same base: waiting for it'),
  });
  try {
    const source = join(home, 'source');
    const build = join(home, 'build', buildName);
    context.progress('checking out the tree');
    await checkout(tree, source, context);
    await mkdir(build, { recursive: true });
    return { source, build, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
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
