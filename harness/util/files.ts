// SPDX-License-Identifier: MIT
import { randomBytes } from 'node:crypto';
import { access, mkdir, open, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { KilnError } from '../errors.ts';

/** Whether the path exists. A dangling link does not. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * The bytes of a plain file. Throws bad-input for a fifo and the like, because opening one would block, even
 * at the process's exit. Throws EISDIR for a directory, as readFile() does.
 */
export async function readPlain(path: string): Promise<Buffer> {
  const info = await stat(path);
  if (!info.isFile() && !info.isDirectory())
    throw new KilnError('bad-input', `${path} is no plain file`, {
      hint: 'what comes out of a pipe or a device has to be saved to a file first',
    });
  return readFile(path);
}

/** The text of a file; undefined if it does not exist or is a directory. Throws other errors. */
export async function readIfThere(path: string): Promise<string | undefined> {
  const content = await readPlain(path).catch((error: NodeJS.ErrnoException) => {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(error.code ?? '')) return undefined;
    throw error;
  });
  return content?.toString();
}

/**
 * A unique name beside `path`, for a file that is then renamed to it. sweep() removes it if this process is
 * killed.
 */
export function aside(path: string): string {
  return `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
}

/**
 * Make a directory and its parents. Not `mkdir` with `recursive`: Node loops forever where a file system
 * can't make directories (/proc).
 */
export async function makeDirectories(path: string): Promise<void> {
  await mkdir(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (error.code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectories(dirname(path));
    await mkdir(path).catch(async (again: NodeJS.ErrnoException) => {
      // Another process made it meanwhile.
      if (again.code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw again;
    });
  });
}

/** Replace a file in one step: readers see the old bytes or the new ones, also after a power cut. */
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

/** Point a symbolic link at `target`, in one step. */
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

/** Fill a directory aside and rename it into place, so that a killed run leaves no incomplete one. */
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

/** Must precede the rename: otherwise a power cut can leave the directory with empty files. */
async function syncFiles(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    await using handle = await open(join(dir, entry.name), 'r');
    await handle.sync();
  }
}

/**
 * Read JSON that Kiln wrote into the cache. A file that can't be parsed counts as absent, so that it is made
 * again.
 */
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
 * The files below a directory, relative to it and sorted; links to files count. Skips dot files (of editors
 * and git), dangling links, fifos and the like. Does not follow links to directories.
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
