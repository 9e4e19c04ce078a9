// SPDX-License-Identifier: MIT
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { exec } from './exec.ts';
import { readEnd } from './fileEnd.ts';
import { scratchDirectory } from './scratch.ts';

test('a short file is there whole', async (t) => {
  await using scratch = await scratchDirectory(tmpdir());
  const path = join(scratch.path, 'log');
  await writeFile(path, 'one\ntwo\n');
  t.deepEqual(await readEnd(path, 8), { text: 'one\ntwo\n', first: 1, bytes: 8 });
});

test('of a long file, whole lines of its end with their numbers', async (t) => {
  await using scratch = await scratchDirectory(tmpdir());
  const path = join(scratch.path, 'log');
  await writeFile(path, Array.from({ length: 600_000 }, (_, index) => `line ${index + 1}\n`).join(''));
  const { text, first, bytes } = (await readEnd(path, 100))!;
  t.is(text.split('\n')[0], `line ${first}`);
  t.true(text.endsWith('line 600000\n'));
  t.true(text.length <= 100);
  t.true(bytes > 6_000_000);
});

test('a line without an end is cut', async (t) => {
  await using scratch = await scratchDirectory(tmpdir());
  const path = join(scratch.path, 'log');
  await writeFile(path, 'x'.repeat(5000));
  t.is((await readEnd(path, 100))!.text, 'x'.repeat(100));
});

test('a directory, a fifo and nothing are no text', async (t) => {
  await using scratch = await scratchDirectory(tmpdir());
  t.is(await readEnd(scratch.path, 100), null);
  t.is(await readEnd(join(scratch.path, 'none'), 100), null);
  const fifo = join(scratch.path, 'fifo');
  await exec('mkfifo', [fifo]);
  t.is(await readEnd(fifo, 100), null);
});
