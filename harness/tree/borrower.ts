// SPDX-License-Identifier: MIT
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { aside, readIfThere, writeAtomic } from '../util/files.ts';
import { git } from '../util/git.ts';

/** A bare repository in the cache. @param objects the directory that it borrows objects from; null: none */
export async function ensureBorrower(
  gitDir: string,
  objects: string | null,
  context: Context,
): Promise<void> {
  const alternates = join(gitDir, 'objects', 'info', 'alternates');
  const text = objects === null ? '' : `${objects}\n`;
  if ((await readIfThere(alternates)) === text) return;
  await mkdir(join(gitDir, '..'), { recursive: true });
  const temporary = aside(gitDir);
  await git(join(gitDir, '..'), ['init', '--quiet', '--bare', temporary], { signal: context.signal });
  await writeAtomic(join(temporary, 'objects', 'info', 'alternates'), text);
  await rm(gitDir, { recursive: true, force: true });
  await rename(temporary, gitDir);
}
