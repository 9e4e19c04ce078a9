// SPDX-License-Identifier: MIT
import { randomBytes } from 'node:crypto';
import { access, mkdir, open, readFile, rename, rm, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Whether something exists at the path (a dangling link does not). */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The text of a file, or undefined if there is none. Other trouble is thrown. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
}

/** A name beside `path` that nobody else uses. */
export function aside(path: string): string {
  return `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
}

/** Write a file so that readers see the old bytes or the new ones, also after a power cut. */
export async function writeAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = aside(path);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Point a symbolic link at `target`, replacing it in one step. */
export async function replaceLink(target: string, path: string): Promise<void> {
  const temporary = aside(path);
  await symlink(target, temporary);
  await rename(temporary, path);
}

/** Make a directory's content aside with `fill` and rename it into place; a killed run leaves nothing half made. */
export async function makeDirectory(path: string, fill: (dir: string) => Promise<void>): Promise<void> {
  const temporary = aside(path);
  await mkdir(temporary, { recursive: true });
  try {
    await fill(temporary);
    await rm(path, { recursive: true, force: true });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Read JSON that we wrote ourselves into the cache; anything unreadable counts as absent and is made anew. */
export async function readCachedJson<T>(path: string): Promise<T | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
