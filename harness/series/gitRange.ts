// SPDX-License-Identifier: MIT
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { KilnError } from '../errors.ts';
import { git } from '../util/git.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { barePatch, type Patch } from './patch.ts';

/** The commits of a range in the user's repository, as `git format-patch` writes them. */
export async function gitRange(repository: string, range: string, signal?: AbortSignal): Promise<Patch[]> {
  return withScratch(async (dir) => {
    // The repository's own configuration of format-patch must not change the patches.
    const settings = [
      'diff.noprefix',
      'diff.mnemonicPrefix',
      'format.coverLetter',
      'format.attach',
      'format.thread',
    ];
    const plain = settings.flatMap((name) => ['-c', `${name}=false`]);
    const options = [
      '--no-signature',
      '--no-stat',
      '--full-index',
      '--binary',
      '--no-cover-letter',
      '-o',
      dir,
    ];
    const format = [...plain, 'format-patch', ...options, '--subject-prefix=PATCH', range, '--'];
    await git(resolve(repository), format, { signal }).catch((cause) => {
      signal?.throwIfAborted();
      throw new KilnError('bad-input', `${repository} has no range ${range}`, { cause });
    });
    const names = (await readdir(dir)).sort();
    const patches = names.map(async (file) => barePatch(file, await readFile(join(dir, file))));
    // An empty commit gives an empty file.
    return (await Promise.all(patches)).filter(({ content }) => content.length > 0);
  });
}

async function withScratch<T>(use: (dir: string) => Promise<T>): Promise<T> {
  await using scratch = await scratchDirectory(tmpdir());
  return await use(scratch.path);
}
