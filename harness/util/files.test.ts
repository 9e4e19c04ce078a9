// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  aside,
  exists,
  makeDirectories,
  makeDirectory,
  readCachedJson,
  readIfThere,
  replaceLink,
  writeAtomic,
} from './files.ts';

test('directories are made with their parents; where none can be made, that is an error', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  await makeDirectories(join(dir, 'a', 'b', 'c'));
  await makeDirectories(join(dir, 'a', 'b', 'c'));
  await Promise.all([1, 2, 3].map(() => makeDirectories(join(dir, 'x', 'y'))));
  t.deepEqual(await readdir(join(dir, 'a', 'b')), ['c']);
  await t.throwsAsync(makeDirectories('/proc/kiln/x'), { code: 'ENOENT' });
  await writeFile(join(dir, 'file'), '');
  await t.throwsAsync(makeDirectories(join(dir, 'file')), { code: 'EEXIST' });
  await t.throwsAsync(makeDirectories(join(dir, 'file', 'x')), { code: 'ENOTDIR' });
});

test('a file, a directory and a link to one exist; a dangling link does not', async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, 'file'), '');
  await symlink('file', join(dir, 'link'));
  await symlink('gone', join(dir, 'dangling'));
  const names = ['.', 'file', 'link', 'dangling', 'absent', 'file/below'];
  t.deepEqual(await Promise.all(names.map((name) => exists(join(dir, name)))), [
    ...[true, true, true],
    ...[false, false, false],
  ]);
});

test('a missing file and a directory have no text', async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, 'file'), 'text');
  t.is(await readIfThere(join(dir, 'file')), 'text');
  t.is(await readIfThere(join(dir, 'absent')), undefined);
  t.is(await readIfThere(join(dir, 'file', 'below')), undefined);
  t.is(await readIfThere(dir), undefined);
});

test('names aside differ each time and are beside the path', (t) => {
  const names = new Set(Array.from({ length: 100 }, () => aside('/a/b')));
  t.is(names.size, 100);
  t.true([...names].every((name) => name.startsWith('/a/b.') && name.endsWith('.tmp')));
});

test('an atomic write makes directories, replaces the file and leaves nothing aside', async (t) => {
  const dir = await scratch(t);
  const path = join(dir, 'a', 'b', 'file');
  await writeAtomic(path, 'old');
  await writeAtomic(path, Buffer.from('new'));
  t.is(await readFile(path, 'utf8'), 'new');
  t.deepEqual(await readdir(join(dir, 'a', 'b')), ['file']);
});

test('a failed atomic write leaves the old bytes and nothing aside', async (t) => {
  const dir = await scratch(t);
  await mkdir(join(dir, 'taken', 'by'), { recursive: true });
  await t.throwsAsync(writeAtomic(join(dir, 'taken'), 'x'));
  t.deepEqual(await readdir(dir, { recursive: true }), ['taken', 'taken/by']);
});

test('a link is made, and replaced in one step', async (t) => {
  const dir = await scratch(t);
  await replaceLink('one', join(dir, 'latest'));
  await replaceLink('two', join(dir, 'latest'));
  t.is(await readlink(join(dir, 'latest')), 'two');
  t.deepEqual(await readdir(dir), ['latest']);
});

test('a directory appears whole, in place of an older one', async (t) => {
  const dir = await scratch(t);
  const path = join(dir, 'new', 'made');
  await makeDirectory(path, (temporary) => writeFile(join(temporary, 'old'), ''));
  await makeDirectory(path, async (temporary) => {
    await writeFile(join(temporary, 'new'), '');
    t.deepEqual(await readdir(path), ['old']);
  });
  t.deepEqual(await readdir(path), ['new']);
  t.deepEqual(await readdir(join(dir, 'new')), ['made']);
});

test('a directory that can not be filled leaves nothing, or the older one', async (t) => {
  const dir = await scratch(t);
  const path = join(dir, 'made');
  const failing = async (temporary: string) => {
    await writeFile(join(temporary, 'half'), '');
    throw new Error('no more');
  };
  await t.throwsAsync(makeDirectory(path, failing), { message: 'no more' });
  t.deepEqual(await readdir(dir), []);
  await makeDirectory(path, (temporary) => writeFile(join(temporary, 'whole'), ''));
  await t.throwsAsync(makeDirectory(path, failing), { message: 'no more' });
  t.deepEqual(await readdir(dir, { recursive: true }), ['made', 'made/whole']);
});

test('JSON of the cache that is absent, torn or empty counts as absent', async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, 'whole'), '{"a":1}');
  await writeFile(join(dir, 'torn'), '{"a":');
  await writeFile(join(dir, 'empty'), '');
  t.deepEqual(
    await Promise.all(['whole', 'torn', 'empty', 'absent'].map((name) => readCachedJson(join(dir, name)))),
    [{ a: 1 }, undefined, undefined, undefined],
  );
});

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
