// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, open, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { evict, markUsed } from './cache.ts';

const kib = 1024;

/** A directory of entries, each with so many KiB and so many hours old. */
async function entries(t: { teardown: (end: () => Promise<void>) => void }, all: [string, number, number][]) {
  const parent = await mkdtemp(join(tmpdir(), 'kiln-cache-'));
  t.teardown(() => rm(parent, { recursive: true }));
  for (const [name, size, hours] of all) {
    await mkdir(join(parent, name));
    await writeFile(join(parent, name, 'memory'), Buffer.alloc(size * kib, 1));
    const used = new Date(Date.now() - hours * 3_600_000);
    await utimes(join(parent, name), used, used);
  }
  return parent;
}

test('the least recently used entries are removed until the rest fit', async (t) => {
  const parent = await entries(t, [
    ['new', 400, 0],
    ['old', 400, 9],
    ['older', 400, 99],
    ['newest', 400, -1],
  ]);
  await evict(parent, 900 * kib, join(parent, 'newest'));
  t.deepEqual((await readdir(parent)).sort(), ['new', 'newest']);
});

test('nothing is removed while all fit', async (t) => {
  const parent = await entries(t, [
    ['a', 400, 9],
    ['b', 400, 1],
  ]);
  await evict(parent, 900 * kib, join(parent, 'b'));
  t.deepEqual((await readdir(parent)).sort(), ['a', 'b']);
});

test('an entry that was just made stays, even if it is too big, and so does one that is being made', async (t) => {
  const parent = await entries(t, [
    ['huge', 800, 5],
    ['made.1.0123abcd.tmp', 800, 5],
  ]);
  await evict(parent, 100 * kib, join(parent, 'huge'));
  t.deepEqual((await readdir(parent)).sort(), ['huge', 'made.1.0123abcd.tmp']);
});

test('each file of an entry counts', async (t) => {
  const parent = await entries(t, [
    ['a', 100, 9],
    ['b', 100, 1],
  ]);
  await writeFile(join(parent, 'a', 'vmlinux'), Buffer.alloc(900 * kib, 1));
  await markUsed(join(parent, 'b'));
  await evict(parent, 500 * kib);
  t.deepEqual(await readdir(parent), ['b']);
});

test('an entry that was used again outlives one that was not', async (t) => {
  const parent = await entries(t, [
    ['a', 400, 9],
    ['b', 400, 1],
  ]);
  await markUsed(join(parent, 'a'));
  await evict(parent, 500 * kib);
  t.deepEqual(await readdir(parent), ['a']);
});

test('holes count for nothing', async (t) => {
  const parent = await entries(t, [['touched', 100, 9]]);
  await mkdir(join(parent, 'sparse'));
  await using file = await open(join(parent, 'sparse', 'memory'), 'w');
  await file.truncate(1024 * 1024 * kib);
  await evict(parent, 500 * kib, join(parent, 'sparse'));
  t.deepEqual((await readdir(parent)).sort(), ['sparse', 'touched']);
});
