// SPDX-License-Identifier: MIT
import { lstat, mkdir, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Context } from '../context.ts';
import { plainFile } from '../sandbox/plain.ts';
import type { Tree } from '../tree/tree.ts';
import { exec } from '../util/exec.ts';
import { exists, makeDirectory, readIfThere, writeAtomic } from '../util/files.ts';
import { git } from '../util/git.ts';
import { contentKey } from '../util/hash.ts';
import { lock } from '../util/lock.ts';
import { scratchDirectory } from '../util/scratch.ts';
import type { Toolchain } from './toolchain.ts';

/** A checked-out tree and a build directory. */
export type Build = {
  source: string;
  build: string;
  /** The paths at which make sees them. */
  seen: { source: string; build: string };
  /** The words that choose the compiler for make. */
  compiler: string[];
};

/** There is one tree for each base, and a build directory for each config. */
export type Workspace = AsyncDisposable &
  Build & {
    /** Open another build directory for the same tree, until the workspace is disposed. */
    beside: (buildName: string, toolchain: Pick<Toolchain, 'make'>) => Promise<Build>;
  };

/** In the sandbox, all trees and build directories are here: ccache then knows a command line again. */
const seenInSandbox = { source: '/kiln/source', build: '/kiln/build' };

/**
 * Lock the base's workspace until disposed, and check out the tree there. Git touches only the files that differ, so
 * make rebuilds only what depends on them. A foreign series builds in a copy of the build directory, since it could
 * leave objects that make would take for its own. The copy is discarded afterwards, or shared by the series' patches.
 * @param buildName the build directory's name; later builds reuse it
 */
export async function openWorkspace(
  tree: Tree,
  buildName: string,
  toolchain: Pick<Toolchain, 'make'>,
  context: Context,
): Promise<Workspace> {
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
  context.progress('checking out the tree');
  await checkout(tree, source, context);
  const scratch = undo.use(new AsyncDisposableStack());
  const beside: Workspace['beside'] = async (name, { make }) => {
    const kept = join(home, 'build', name);
    await mkdir(kept, { recursive: true });
    await mend(kept);
    const build =
      context.sandbox?.flags && context.sandbox.foreign
        ? await buildApart(kept, context.sandbox.home, scratch, context)
        : kept;
    const seen = context.sandbox?.flags ? seenInSandbox : { source, build: kept };
    return { source, build, seen, compiler: make };
  };
  const first = await beside(buildName, toolchain);
  const rest = undo.move();
  return { ...first, beside, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

/** A file that exists in the build directory while make may be running there. */
export const unfinished = 'kiln.unfinished';
/** Milliseconds between two writes to one file by a compiler, at most. */
const longestPause = 120_000;

/**
 * A build that was killed leaves incomplete files, which make takes for finished. Remove the files that were written
 * last, so that make rebuilds them.
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

/** A copy of the build directory: that of the series, if it has a home, else one that goes with the workspace. */
async function buildApart(
  kept: string,
  home: string | undefined,
  undo: AsyncDisposableStack,
  context: Context,
): Promise<string> {
  if (home === undefined) {
    const scratch = undo.use(await scratchDirectory(join(context.cache, 'scratch')));
    await copy(kept, scratch.path, context);
    return scratch.path;
  }
  const own = join(home, basename(kept));
  if (await exists(own)) await mend(own);
  else await makeDirectory(own, (temporary) => copy(kept, temporary, context));
  return own;
}

async function copy(from: string, to: string, context: Context): Promise<void> {
  context.progress('copying the build directory');
  await exec('cp', ['--archive', '--reflink=auto', `${from}/.`, to], { signal: context.signal });
}

/**
 * Rewrite the paths with which repository and worktree refer to each other. They are absolute: in a cache that was
 * moved or copied they name the old place. Returns false if the repository has no worktree.
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
  // The workspace is locked, so a lock file of git's is left over from a run that was killed.
  const gitLock = await git(source, ['rev-parse', '--path-format=absolute', '--git-path', 'index.lock'], {
    signal,
  });
  await rm(gitLock.stdout.trim(), { force: true });
  await git(source, ['checkout', '--quiet', '--force', '--detach', tree.commit], { signal });
  await git(source, ['clean', '--quiet', '-dffx'], { signal });
}

/** Read a text file of the build directory. */
export async function readBuilt({ build }: Pick<Build, 'build'>, path: string): Promise<string> {
  return readFile(await plainFile(build, path, largestText), 'utf8');
}

/** Bytes. */
const largestText = 16 * 2 ** 20;
