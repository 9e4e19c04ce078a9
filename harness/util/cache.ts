// SPDX-License-Identifier: MIT
// The cache as a whole: its lock and its size. The stages know what their entries hold.
import { lstat, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isPlainPath } from '../context.ts';
import { KilnError } from '../errors.ts';
import { makeDirectories } from './files.ts';
import { lock, lockIfFree } from './lock.ts';
import { sweep } from './scratch.ts';

const giB = 2 ** 30;
/** How many bytes on disk the entries of each part may take. The least recently used are removed first. */
export const budgets = {
  kernels: 8 * giB,
  images: 4 * giB,
  programs: giB,
  templates: 4 * giB,
  'known/tests': giB / 4,
  'known/decisions': giB / 16,
  'known/warnings': giB / 16,
  'known/checks': giB / 16,
  'known/files': giB / 16,
  'known/config': giB / 16,
  'known/failures': giB / 16,
};
const others = ['.', 'scratch', 'bases', 'trees'];

/**
 * Lock the cache against `kiln clean`. First remove what killed runs left there, and entries above the
 * budgets.
 */
export async function useCache(cache: string, signal: AbortSignal): Promise<AsyncDisposable> {
  await tidy(cache, signal);
  return lockCache(cache, { signal, shared: true }, 'the cache is being cleaned');
}

/** Wait until no process uses the cache, and lock it against others. */
export async function haveCacheAlone(cache: string, signal: AbortSignal): Promise<AsyncDisposable> {
  return lockCache(cache, { signal }, 'a run uses the cache');
}

/** Record the use of an entry, so that it is evicted later than others. */
export async function markUsed(entry: string): Promise<void> {
  const now = new Date();
  // Ignored: the cache may be read-only, and only the order of eviction depends on this.
  await utimes(entry, now, now).catch(() => {});
}

/** Evicts only while no process uses the cache: a run refers to its entries by name. */
async function tidy(cache: string, signal: AbortSignal): Promise<void> {
  const parts = Object.entries(budgets).map(([part, limit]) => ({ path: join(cache, part), limit }));
  const places = [...others.map((name) => join(cache, name)), ...parts.map(({ path }) => path), tmpdir()];
  await Promise.all(places.map(sweep));
  await using alone = await lockIfFree(await lockFile(cache), signal);
  if (!alone) return;
  await Promise.all(parts.map(({ path, limit }) => evict(path, limit)));
}

async function lockCache(
  cache: string,
  how: { signal: AbortSignal; shared?: boolean },
  why: string,
): Promise<AsyncDisposable> {
  const onWait = () => {
    process.stderr.write(`kiln: ${why}: waiting until it is done\n`);
  };
  return lock(await lockFile(cache), { ...how, onWait });
}

/** Beside the cache, not in it, because `kiln clean` removes the whole directory. */
async function lockFile(cache: string): Promise<string> {
  if (!isPlainPath(cache))
    throw new KilnError(
      'usage',
      `the cache directory ${cache} has a character in its name that make misreads`,
      {
        hint: 'set XDG_CACHE_HOME to a place without spaces, quotes and any of : = % # $ & ; | < > ( ) * ? [ ] { } \\',
      },
    );
  await makeDirectories(dirname(cache)).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST' && cause.code !== 'ENOTDIR') throw cause;
    throw new KilnError('bad-input', `the cache can't be at ${cache}: a part of this path is a file`, {
      hint: 'set XDG_CACHE_HOME to a directory',
      cause,
    });
  });
  return `${cache}.lock`;
}

/**
 * Remove the least recently used entries of `parent` until the rest fit into `limit` bytes on disk. The entry
 * `keep` is never removed.
 */
export async function evict(parent: string, limit: number, keep?: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  const all = await Promise.all(names.map((name) => measure(join(parent, name))));
  let total = all.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { dir, bytes } of all.toSorted((a, b) => a.used - b.used)) {
    if (total <= limit) return;
    if (dir === keep || dir.endsWith('.tmp')) continue;
    await rm(dir, { recursive: true, force: true });
    total -= bytes;
  }
}

/**
 * Counts bytes on disk, not file lengths: memory that a frozen guest never touched is a hole. Counts only the
 * files directly in the entry, or the entry if it is a file: a kernel's headers are a thousand files, and each run
 * measures all entries.
 */
async function measure(dir: string): Promise<{ dir: string; used: number; bytes: number }> {
  const names = await readdir(dir).catch(() => ['']);
  const files = await Promise.all(names.map((name) => lstat(join(dir, name)).catch(() => null)));
  const used = (await stat(dir).catch(() => null))?.mtimeMs ?? 0;
  return { dir, used, bytes: files.reduce((sum, file) => sum + (file?.blocks ?? 0) * 512, 0) };
}
