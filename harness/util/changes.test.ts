// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Changes } from './changes.ts';

const signal = new AbortController().signal;

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-changes-'));
  t.teardown(() => rm(dir, { recursive: true }));
  return dir;
}

test('a new, a changed and a removed file below a directory, also in a new subdirectory', async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, 'a.c'), '1');
  await writeFile(join(dir, 'b.c'), '1');
  await using changes = await Changes.watch([dir]);
  await writeFile(join(dir, 'a.c'), '2');
  await rm(join(dir, 'b.c'));
  await mkdir(join(dir, 'new'));
  t.deepEqual(await changes.next(signal), [join(dir, 'a.c'), join(dir, 'b.c'), join(dir, 'new')]);
  await writeFile(join(dir, 'new', 'c.c'), '1');
  t.deepEqual(await changes.next(signal), [join(dir, 'new', 'c.c')]);
});

test('a file that an editor replaces, and not its neighbours', async (t) => {
  const dir = await scratch(t);
  const file = join(dir, 'fix.mbox');
  await writeFile(file, '1');
  await using changes = await Changes.watch([file]);
  for (const text of ['2', '3']) {
    await writeFile(join(dir, 'other'), text);
    await writeFile(join(dir, '.fix.mbox.new'), text);
    await rename(join(dir, '.fix.mbox.new'), file);
    t.deepEqual(await changes.next(signal), [file], text);
  }
});

test('a directory behind a symbolic link', async (t) => {
  const dir = await scratch(t);
  await mkdir(join(dir, 'real'));
  await symlink('real', join(dir, 'link'));
  await using changes = await Changes.watch([join(dir, 'link')]);
  await writeFile(join(dir, 'real', 'a.c'), '1');
  t.deepEqual(await changes.next(signal), [join(dir, 'link', 'a.c')]);
});

test('what git stores is no change', async (t) => {
  const dir = await scratch(t);
  await mkdir(join(dir, '.git', 'objects'), { recursive: true });
  await using changes = await Changes.watch([dir]);
  await writeFile(join(dir, '.git', 'index'), '1');
  await writeFile(join(dir, '.git', 'objects', 'x'), '1');
  await writeFile(join(dir, 'a.c'), '1');
  t.deepEqual(await changes.next(signal), [join(dir, 'a.c')]);
});

test('changes before the call are not lost', async (t) => {
  const dir = await scratch(t);
  await using changes = await Changes.watch([dir]);
  await writeFile(join(dir, 'a.c'), '1');
  t.deepEqual(await changes.next(signal), [join(dir, 'a.c')]);
  await writeFile(join(dir, 'b.c'), '1');
  await writeFile(join(dir, 'c.c'), '1');
  t.deepEqual(await changes.next(signal), [join(dir, 'b.c'), join(dir, 'c.c')]);
});

test('a wait ends with its signal', async (t) => {
  await using changes = await Changes.watch([await scratch(t)]);
  const stop = new AbortController();
  const waiting = changes.next(stop.signal);
  stop.abort(new Error('enough'));
  await t.throwsAsync(waiting, { message: 'enough' });
  await t.throwsAsync(changes.next(stop.signal), { message: 'enough' });
});
