// SPDX-License-Identifier: MIT
// Files written by untrusted programs. A symbolic link could make Kiln read files that the programs themselves can't.
import { lstat, readdir, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { KilnError } from '../errors.ts';

/**
 * The path of a plain file below `dir`, with links resolved. Throws does-not-build for anything else, and for a link
 * that leads out of `dir`. No untrusted process may run meanwhile.
 * @param limit bytes
 */
export async function plainFile(
  dir: string,
  path: string,
  limit = Number.POSITIVE_INFINITY,
): Promise<string> {
  const wanted = join(dir, path);
  const found = await realpath(wanted).catch((cause) => {
    throw new KilnError('does-not-build', `the build left no ${path}`, { details: { file: path }, cause });
  });
  const info = await lstat(found);
  if (found.startsWith(`${await realpath(dir)}${sep}`) && info.isFile() && info.size <= limit) return found;
  throw new KilnError('does-not-build', `the build left a ${path} that is no plain file of its own`, {
    hint: 'a link that leads elsewhere, a fifo, a device, or something far too large: somebody is up to something',
    details: { file: path },
  });
}

/** Throws does-not-build unless everything below `dir` is a plain file or a directory. */
export async function onlyPlain(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true }))
    if (!entry.isFile() && !entry.isDirectory())
      throw new KilnError('does-not-build', `the build left a ${entry.name} that is no plain file`, {
        details: { file: entry.name },
      });
}
