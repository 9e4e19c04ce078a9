// SPDX-License-Identifier: MIT
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import type { ExecOptions, ExecResult } from '../util/exec.ts';
import { git } from '../util/git.ts';
import type { Base } from './base.ts';

/** A repository in which series are applied to a base. */
export type Repository = {
  gitDir: string;
  /** Its work tree. */
  directory: string;
  /** The directory of the base's objects, where its own go too. */
  objects: string;
  git: (args: string[], options?: ExecOptions) => Promise<ExecResult>;
};

/**
 * A repository that writes its objects into the base's, so that several runs can apply at once. HEAD is the base, the
 * index is empty: `checkOut` fills it.
 * @param patterns what its work tree holds, as git's sparse-checkout file has it; default: no file
 */
export async function scratchRepository(
  base: Pick<Base, 'gitDir' | 'commit'>,
  scratch: string,
  context: Context,
  patterns: readonly string[] = ['/.nothing'],
): Promise<Repository> {
  const gitDir = join(scratch, 'repo.git');
  const directory = join(scratch, 'tree');
  const objects = join(base.gitDir, 'objects');
  const own = { GIT_DIR: gitDir, GIT_WORK_TREE: directory, GIT_OBJECT_DIRECTORY: objects };
  const sparse = ['-c', 'core.sparseCheckout=true', '-c', 'core.sparseCheckoutCone=false'];
  await mkdir(directory);
  const repository: Repository = {
    gitDir,
    directory,
    objects,
    git: (args, { env, ...options } = {}) =>
      git(directory, [...sparse, ...args], { signal: context.signal, ...options, env: { ...own, ...env } }),
  };
  await repository.git(['init', '--quiet', '--template=']);
  await mkdir(join(gitDir, 'info'));
  await mkdir(join(gitDir, 'objects'));
  await writeFile(join(gitDir, 'info', 'sparse-checkout'), `${patterns.join('\n')}\n`);
  // A patch is for the bytes that git stores, whatever the tree's attributes make of a file that is checked out.
  await writeFile(
    join(gitDir, 'info', 'attributes'),
    '* -text !eol -ident -filter -working-tree-encoding !diff\n',
  );
  await setHead(repository, base.commit);
  return repository;
}

/** HEAD is detached. The index and the work tree stay as they are. */
export async function setHead(repository: Repository, commit: string): Promise<void> {
  await writeFile(join(repository.gitDir, 'HEAD'), `${commit}\n`);
}

/**
 * The index is HEAD. The work tree is sparse and has no files: git checks out only those that the patches touch, so
 * applying takes a second.
 */
export async function checkOut(repository: Repository): Promise<void> {
  await repository.git(['read-tree', '--reset', '-u', 'HEAD']);
}

/** Names of commits or trees → hashes, in their order. */
export async function hashes(repository: Repository, ...names: string[]): Promise<string[]> {
  return (await repository.git(['rev-parse', ...names])).stdout.split('\n');
}
