// SPDX-License-Identifier: MIT
import { randomBytes } from 'node:crypto';
import { access, mkdir, open, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { KilnError } from '../errors.ts';

/** Whether something exists at the path (a dangling link does not). */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * The bytes of a plain file; bad-input for a fifo and the like: opening one would hold up even the end of the process.
 * A directory is EISDIR, as for readFile().
 */
export async function readPlain(path: string): Promise<Buffer> {
  const info = await stat(path);
  if (!info.isFile() && !info.isDirectory()) throw new KilnError('bad-input', `${path} is no plain file`);
  return readFile(path);
}

/** The text of a file, or undefined if there is no file of that name. Other trouble is thrown. */
export async function readIfThere(path: string): Promise<string | undefined> {
  const content = await readPlain(path).catch((error: NodeJS.ErrnoException) => {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(error.code ?? '')) return undefined;
    throw error;
  });
  return content?.toString();
}

/** A name beside `path` that nobody else uses. */
export function aside(path: string): string {
  return `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
}

/**
 * A directory with all that lead to it. Not `mkdir` with `recursive`: on a file system that makes none (/proc), Node
 * tries for ever.
 */
export async function makeDirectories(path: string): Promise<void> {
  await mkdir(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (error.code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectories(dirname(path));
    await mkdir(path).catch(async (again: NodeJS.ErrnoException) => {
      // Somebody else was quicker.
      if (again.code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw again;
    });
  });
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
  try {
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Make a directory's content aside with `fill` and rename it into place; a killed run leaves nothing half made. */
export async function makeDirectory(path: string, fill: (dir: string) => Promise<void>): Promise<void> {
  const temporary = aside(path);
  await mkdir(temporary, { recursive: true });
  try {
    await fill(temporary);
    await syncFiles(temporary);
    await rm(path, { recursive: true, force: true });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** What the rename makes visible has to be on disk, or a power cut leaves whole names with empty files. */
async function syncFiles(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    await using handle = await open(join(dir, entry.name), 'r');
    await handle.sync();
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

/**
 * The files below a directory, relative to it and sorted; links to files count. Editors' and git's dot files,
 * dangling links, fifos and the like are passed over, and links to directories are not followed.
 */
export async function regularFiles(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries) {
    const path = relative(dir, join(entry.parentPath, entry.name));
    if (path.split('/').some((part) => part.startsWith('.'))) continue;
    if (entry.isFile() || (entry.isSymbolicLink() && (await isFile(join(dir, path))))) files.push(path);
  }
  return files.sort();
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isFile(),
    () => false,
  );
}
