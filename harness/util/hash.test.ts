// SPDX-License-Identifier: MIT
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { contentKey, sha256File, treeKey } from './hash.ts';

test('a key depends on every part, on their order and on where one ends', (t) => {
  const keys = [
    contentKey('a', 'b'),
    contentKey('b', 'a'),
    contentKey('ab'),
    contentKey('a', 'b', ''),
    contentKey('', 'ab'),
    contentKey('1:a'),
    contentKey(),
  ];
  t.is(new Set(keys).size, keys.length);
  t.true(keys.every((key) => /^[0-9a-f]{20}$/.test(key)));
});

test('a text and its bytes have the same key', (t) => {
  t.is(contentKey('köln', 'x'), contentKey(Buffer.from('köln'), Buffer.from('x')));
});

test("a file's SHA-256 is that of its bytes", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, 'abc'), 'abc');
  t.is(
    await sha256File(join(dir, 'abc')),
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', // FIPS 180-4
  );
  await t.throwsAsync(sha256File(join(dir, 'absent')), { code: 'ENOENT' });
});

test("a tree's key does not depend on its path, or on the order in which files were made", async (t) => {
  const [one, two] = [await scratch(t), await scratch(t)];
  await files(one, { 'b/x': '1', 'a/y': '2', z: '3' });
  await files(two, { z: '3', 'a/y': '2', 'b/x': '1' });
  t.is(await treeKey(one), await treeKey(two));
});

test("a tree's key depends on the files' names, paths and bytes, and on the targets of links", async (t) => {
  const keys: string[] = [];
  for (const content of [{ 'a/x': '1' }, { 'a/x': '2' }, { 'a/y': '1' }, { 'b/x': '1' }, { x: '1' }, {}]) {
    const dir = await scratch(t);
    await files(dir, content);
    keys.push(await treeKey(dir));
  }
  for (const text of ['3', '4']) {
    const [dir, other] = [await scratch(t), await scratch(t)];
    await files(other, { target: text });
    await symlink(join(other, 'target'), join(dir, 'x'));
    keys.push(await treeKey(dir));
  }
  t.is(new Set(keys).size, keys.length);
});

test("fifos and an editor's dot files do not change a key", async (t) => {
  const dir = await scratch(t);
  await files(dir, { x: '1' });
  const before = await treeKey(dir);
  await symlink('user@host.1234', join(dir, '.#x'));
  await symlink('nowhere', join(dir, 'dangling'));
  await symlink('.', join(dir, 'loop'));
  await promisify(execFile)('mkfifo', [join(dir, 'fifo')]);
  t.is(await treeKey(dir), before);
});

async function files(dir: string, content: Record<string, string | undefined>): Promise<void> {
  for (const [path, text] of Object.entries(content)) {
    await mkdir(join(dir, path, '..'), { recursive: true });
    await writeFile(join(dir, path), text ?? '');
  }
}

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
