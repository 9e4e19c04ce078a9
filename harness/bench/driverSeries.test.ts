// SPDX-License-Identifier: MIT
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { git } from '../util/git.ts';
import { addFunction, makeDriverSeries } from './driverSeries.ts';

test('the patches apply one after another, and each changes its file', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const source = join(dir, 'source');
  await git(dir, ['init', '--quiet', source]);
  const files = ['a.c', 'b.c'];
  await writeFile(join(source, 'a.c'), 'int a;\n');
  await writeFile(join(source, 'b.c'), Array.from({ length: 20 }, (_, line) => `int b${line};\n`).join(''));
  await git(source, ['add', '.']);
  await git(source, ['commit', '--quiet', '--message', 'base']);
  const base = { gitDir: join(source, '.git'), commit: 'HEAD' };
  const series = await makeDriverSeries(base, files, 'word', join(dir, 'series'));
  const mails = ['0001', '0002'].map((number) => join(series, `${number}-add-a-function.patch`));
  await git(source, ['am', '--quiet', ...mails]);
  const { stdout } = await git(source, ['log', '--format=%s', '--stat=80', '--reverse', 'HEAD~2..']);
  t.regex(stdout, /^a: add a function\n\n a\.c \| 6 [\s\S]*^b: add a function\n\n b\.c \| 6 /m);
});

test('another word makes another patch', (t) => {
  t.not(addFunction('a.c', 'int a;\n', 'one', '1/1'), addFunction('a.c', 'int a;\n', 'two', '1/1'));
});
