// SPDX-License-Identifier: MIT
// The cache as a whole: who may use it, and what goes when it grows. What is in it is known to those who make it.
import { lstat, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isTame } from '../context.ts';
import { KilnError } from '../errors.ts';
import { lock, lockIfFree } from './lock.ts';
import { sweep } from './scratch.ts';

const GiB = 2 ** 30;
/** Bytes on disk that the entries of a part may take together; those used longest ago go first. */
export const budgets = { kernels: 8 * GiB, images: 4 * GiB, programs: GiB, templates: 4 * GiB };
const others = ['.', 'scratch', 'bases', 'trees'];

/** Keep `kiln clean` away while the cache is in use, and first sweep what killed runs have left. */
export async function useCache(cache: string, signal: AbortSignal): Promise<AsyncDisposable> {
  await tidy(cache, signal);
  return take(cache, { signal, shared: true }, 'the cache is being cleaned');
}

/** Wait until nobody uses the cache, and keep others away. */
export async function haveCacheAlone(cache: string, signal: AbortSignal): Promise<AsyncDisposable> {
  return take(cache, { signal }, 'a run uses the cache');
}

/** Note that an entry is in use: the others go first. */
export async function markUsed(entry: string): Promise<void> {
  const now = new Date();
  // Nothing depends on it; the cache may be read-only.
  await utimes(entry, now, now).catch(() => {});
}

/** Whoever uses the cache may have entries open by name, so what is too much goes when nobody does. */
async function tidy(cache: string, signal: AbortSignal): Promise<void> {
  const parts = Object.entries(budgets).map(([part, limit]) => ({ path: join(cache, part), limit }));
  const places = [...others.map((name) => join(cache, name)), ...parts.map(({ path }) => path), tmpdir()];
  await Promise.all(places.map(sweep));
  await using alone = await lockIfFree(lockFile(cache), signal);
  if (!alone) return;
  await Promise.all(parts.map(({ path, limit }) => evict(path, limit)));
}

async function take(
  cache: string,
  how: { signal: AbortSignal; shared?: boolean },
  why: string,
): Promise<AsyncDisposable> {
  const onWait = () => {
    process.stderr.write(`kiln: ${why}: waiting for its end\n`);
  };
  return lock(lockFile(cache), { ...how, onWait });
}

/** It lies beside the cache, so that it outlives it. */
function lockFile(cache: string): string {
  if (!isTame(cache))
    throw new KilnError('usage', `the cache directory ${cache} has a space or a colon in its name`, {
      hint: "the kernel's build can't work there: set XDG_CACHE_HOME to another place",
    });
  return `${cache}.lock`;
}

/** Remove the entries of `parent` that were not used for longest until the rest fit into `limit` bytes on disk. `keep` stays in any case. */
export async function evict(parent: string, limit: number, keep?: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  const all = await Promise.all(names.map((name) => describe(join(parent, name))));
  let total = all.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { dir, bytes } of all.toSorted((a, b) => a.used - b.used)) {
    if (total <= limit) return;
    if (dir === keep || dir.endsWith('.tmp')) continue;
    await rm(dir, { recursive: true, force: true });
    total -= bytes;
  }
}

/**
 * Bytes on disk, not the length: what a frozen guest never touched is a hole. Only of the files directly in it: a
 * kernel's headers are a thousand files, and this is asked of all entries whenever a run begins.
 */
async function describe(dir: string): Promise<{ dir: string; used: number; bytes: number }> {
  const names = await readdir(dir).catch(() => []);
  const files = await Promise.all(names.map((name) => lstat(join(dir, name)).catch(() => null)));
  const used = (await stat(dir).catch(() => null))?.mtimeMs ?? 0;
  return { dir, used, bytes: files.reduce((sum, file) => sum + (file?.blocks ?? 0) * 512, 0) };
}
