// SPDX-License-Identifier: MIT
// A developer's own tree as a base: what is in it now, committed or not. Nothing in it is written.
import { copyFile, readFile, realpath, stat, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { exists } from '../util/files.ts';
import { git, objectDirectory } from '../util/git.ts';
import { contentKey } from '../util/hash.ts';
import { lock } from '../util/lock.ts';
import { plural, several } from '../util/plural.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { ensureBorrower } from './borrower.ts';

/**
 * Take a snapshot of a directory as a commit, so that the tree may change while its kernel is built. Files that git
 * ignores are left out, such as the objects of a build in place. Throws bad-input.
 */
export async function takeSnapshot(dir: string, context: Context): Promise<Snapshot & { gitDir: string }> {
  const root = await kernelDirectory(dir);
  if (await exists(join(root, '.config')))
    context.note('info', `${root} was built in place: its objects are not used`);
  context.progress(`looking for changes in ${root}`);
  const isRepository = await exists(join(root, '.git'));
  const objects = isRepository ? await objectDirectory(root, context.signal) : null;
  const id = objects === null ? `dir-${contentKey(root)}` : `git-${contentKey(objects)}`;
  const home = join(context.cache, 'bases', id);
  const gitDir = join(home, 'repo.git');
  await using _lock = await lock(join(context.cache, 'locks', `base-${contentKey(objects ?? root)}`), {
    signal: context.signal,
    onWait: () => context.note('info', 'another run reads the same repository: waiting for it'),
  });
  await ensureBorrower(gitDir, objects, context);
  const { commit, version } = isRepository
    ? await snapshotRepository(root, gitDir, context)
    : await snapshotDirectory(root, home, context);
  await git(gitDir, ['update-ref', `refs/kiln/bases/${commit}`, commit], { signal: context.signal });
  return { version, commit, gitDir };
}

async function kernelDirectory(dir: string): Promise<string> {
  const root = await realpath(resolve(dir)).catch((cause) => {
    throw new KilnError('bad-input', `there is no directory ${resolve(dir)}`, {
      hint: 'name a checkout of Linux',
      cause,
    });
  });
  const makefile = await readFile(join(root, 'Makefile'), 'utf8').catch(() => '');
  if (/^VERSION = /m.test(makefile) && (await exists(join(root, 'Kconfig')))) return root;
  throw new KilnError(
    'bad-input',
    `${root} is not a kernel tree: it has no Makefile with a VERSION, or no Kconfig`,
    {
      hint: '--tree takes the top directory of a checkout of Linux',
    },
  );
}

/** Dates are fixed: the same files on the same commit give the same commit. */
const dates = { GIT_AUTHOR_DATE: '@0 +0000', GIT_COMMITTER_DATE: '@0 +0000' };

/** `version` is for people. */
type Snapshot = { commit: string; version: string };

/** With a copy of the user's index, so that git reads only files that changed since. New objects go to the cache. */
async function snapshotRepository(root: string, gitDir: string, context: Context): Promise<Snapshot> {
  const { signal } = context;
  await using scratch = await scratchDirectory(join(context.cache, 'scratch'));
  const index = join(scratch.path, 'index');
  const env = {
    GIT_INDEX_FILE: index,
    GIT_OBJECT_DIRECTORY: join(gitDir, 'objects'),
    GIT_OPTIONAL_LOCKS: '0',
  };
  const ask = async (...args: string[]) => (await git(root, args, { env, signal })).stdout.trim();
  const theirs = (
    await git(root, ['rev-parse', '--path-format=absolute', '--git-path', 'index'], { signal })
  ).stdout.trim();
  if (await exists(theirs)) await copyWithTime(theirs, index);
  const unmerged = [...new Set((await ask('ls-files', '--unmerged')).split('\n'))]
    .map((line) => line.split('\t')[1] ?? '')
    .filter((file) => file !== '');
  if (unmerged.length > 0)
    throw new KilnError('bad-input', `${root} has merge conflicts: ${several([...new Set(unmerged)])}`, {
      hint: 'resolve them and run again',
    });
  const head = await ask('rev-parse', '--verify', 'HEAD^{commit}').catch((cause) => {
    signal.throwIfAborted();
    throw new KilnError('bad-input', `${root} has no commit`, { cause, hint: 'git commit' });
  });
  await add(root, env, context);
  const tree = await ask('write-tree');
  const changed = (await ask('diff-index', '--cached', '--name-only', 'HEAD')).split('\n').filter(Boolean);
  const described = head.slice(0, 12);
  if (changed.length === 0) return { commit: head, version: described };
  const commit = (
    await git(root, ['commit-tree', tree, '-p', head, '-m', 'uncommitted changes'], {
      env: { ...env, ...dates },
      signal,
    })
  ).stdout.trim();
  return { commit, version: `${described} with ${plural(changed.length, 'changed file')}` };
}

/** A tree without git, such as an unpacked archive. The index stays, so that later snapshots are quick. */
async function snapshotDirectory(root: string, home: string, context: Context): Promise<Snapshot> {
  const { signal } = context;
  const env = { GIT_DIR: join(home, 'repo.git'), GIT_WORK_TREE: root, GIT_INDEX_FILE: join(home, 'index') };
  if (!(await exists(env.GIT_INDEX_FILE))) context.progress(`reading ${root} for the first time`);
  await add(root, env, context);
  const ask = async (...args: string[]) =>
    (await git(root, args, { env: { ...env, ...dates }, signal })).stdout.trim();
  const tree = await ask('write-tree');
  return {
    commit: await ask('commit-tree', tree, '-m', 'a tree without git'),
    version: `files ${tree.slice(0, 12)}`,
  };
}

async function add(root: string, env: Record<string, string>, { signal }: Context): Promise<void> {
  const words = ['-c', 'advice.addEmbeddedRepo=false', 'add', '--all', '.'];
  await git(root, words, { env, signal }).catch((cause: KilnError) => {
    signal.throwIfAborted();
    throw new KilnError(
      'bad-input',
      `the files of ${root} can't be read: ${cause.details?.output ?? cause.message}`,
      {
        cause,
        hint: 'did a file change or vanish meanwhile? Run again',
      },
    );
  });
}

/** Git takes an entry for unchanged by its times, as long as they are older than the index. */
async function copyWithTime(from: string, to: string): Promise<void> {
  const { atime, mtime } = await stat(from);
  await copyFile(from, to);
  await utimes(to, atime, mtime);
}
