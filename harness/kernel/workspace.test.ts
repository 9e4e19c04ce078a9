// SPDX-License-Identifier: MIT
// Real git on a tree of three files.
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { quietContext } from '../testing/context.ts';
import type { Tree } from '../tree/tree.ts';
import { exists } from '../util/files.ts';
import { git } from '../util/git.ts';
import { openWorkspace, unfinished } from './workspace.ts';

const gcc = { make: ['CC=gcc'] };

/** A base's repository with two commits: the second changes `b.c`. */
async function example(t: ExecutionContext) {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-workspace-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [from, home] = [join(dir, 'from'), join(dir, 'bases', 'one')];
  await mkdir(home, { recursive: true });
  await git(dir, ['init', '--quiet', from]);
  const commits: string[] = [];
  for (const files of [{ Makefile: 'all:', 'a.c': 'a', 'b.c': 'b' }, { 'b.c': 'patched' }]) {
    for (const [name, text] of Object.entries(files)) await writeFile(join(from, name), text);
    await git(from, ['add', '--all']);
    await git(from, ['commit', '--quiet', '--message', 'a change']);
    commits.push((await git(from, ['rev-parse', 'HEAD'])).stdout);
  }
  await git(dir, ['clone', '--quiet', '--bare', from, join(home, 'repo.git')]);
  const trees = commits.map(
    (commit): Tree => ({
      key: '',
      commit,
      content: '',
      gitDir: join(home, 'repo.git'),
      patches: [],
      warnings: [],
      symbols: [],
    }),
  );
  const notes: string[] = [];
  const context = quietContext(join(dir, 'cache'), { note: (_, text) => void notes.push(text) });
  return { dir, home, trees, context, notes };
}

test('the files are brought to the tree, and what does not differ is not touched', async (t) => {
  const { home, trees, context } = await example(t);
  const source = join(home, 'source');
  let untouched = 0;
  {
    await using workspace = await openWorkspace(trees[0]!, 'default', gcc, context);
    t.deepEqual([workspace.source, workspace.build], [source, join(home, 'build', 'default')]);
    t.deepEqual([workspace.seen.source, workspace.compiler], [source, gcc.make]);
    t.is(await readFile(join(source, 'b.c'), 'utf8'), 'b');
    untouched = (await stat(join(source, 'a.c'))).ino;
    await writeFile(join(source, 'left.o'), 'of a build in the tree');
    await writeFile(join(workspace.build, 'vmlinux'), 'built');
    await writeFile(join(home, 'repo.git', 'worktrees', 'source', 'index.lock'), 'of a git that was killed');
  }
  await using workspace = await openWorkspace(trees[1]!, 'default', gcc, context);
  t.is(await readFile(join(source, 'b.c'), 'utf8'), 'patched');
  t.is((await stat(join(source, 'a.c'))).ino, untouched);
  t.false(await exists(join(source, 'left.o')));
  t.true(await exists(join(workspace.build, 'vmlinux')));
});

test('a base has one workspace, and who comes second waits for it', async (t) => {
  const { trees, context } = await example(t);
  const first = await openWorkspace(trees[0]!, 'default', gcc, context);
  let isOpen = false;
  const waits = Promise.withResolvers<void>();
  const second = openWorkspace(trees[1]!, 'kasan', gcc, { ...context, note: () => waits.resolve() }).finally(
    () => {
      isOpen = true;
    },
  );
  await waits.promise;
  t.false(isOpen);
  t.is(await readFile(join(first.source, 'b.c'), 'utf8'), 'b');
  await first[Symbol.asyncDispose]();
  await using opened = await second;
  t.is(await readFile(join(opened.source, 'b.c'), 'utf8'), 'patched');
  t.true(opened.build.endsWith('/build/kasan'));
});

test('after a build that was killed, what was written last goes, and the rest stays', async (t) => {
  const { home, trees, context } = await example(t);
  const build = join(home, 'build', 'default');
  await mkdir(join(build, 'fs'), { recursive: true });
  const write = async (name: string, seconds: number) => {
    await writeFile(join(build, name), 'x');
    await utimes(join(build, name), 1_700_000_000 + seconds, 1_700_000_000 + seconds);
  };
  await write('fs/old.o', 0);
  await write('fs/late.o', 200);
  await write('vmlinux', 250);
  await write(unfinished, 50);
  {
    await using _workspace = await openWorkspace(trees[0]!, 'default', gcc, context);
    t.deepEqual([await readdir(join(build, 'fs')), await exists(join(build, 'vmlinux'))], [['old.o'], false]);
    t.false(await exists(join(build, unfinished)));
    await write('fs/late.o', 200);
  }
  await using _workspace = await openWorkspace(trees[0]!, 'default', gcc, context);
  t.true(await exists(join(build, 'fs', 'late.o')));
});

test('another build directory shows the same tree, and for what comes from elsewhere it is a copy', async (t) => {
  const { dir, home, trees, context } = await example(t);
  const sandbox = { flags: ['--unshare-net'], reason: '', foreign: true, home: join(dir, 'series') };
  const other = { make: ['CC=gcc', 'ARCH=i386'] };
  const kept = join(home, 'build', 'default.i386');
  {
    await using workspace = await openWorkspace(trees[1]!, 'default', gcc, context);
    const { source, build, compiler } = await workspace.beside('default.i386', other);
    t.deepEqual([source, build, compiler], [workspace.source, kept, other.make]);
    await writeFile(join(build, 'a.o'), 'built');
  }
  await using workspace = await openWorkspace(trees[1]!, 'default', gcc, { ...context, sandbox });
  const { build, seen } = await workspace.beside('default.i386', other);
  t.deepEqual([build, seen], [join(dir, 'series', 'default.i386'), workspace.seen]);
  t.is(await readFile(join(build, 'a.o'), 'utf8'), 'built');
});

test('what comes from elsewhere builds in a copy that goes with it', async (t) => {
  const { home, trees, context } = await example(t);
  const build = join(home, 'build', 'default');
  await mkdir(build, { recursive: true });
  await writeFile(join(build, 'vmlinux'), 'built');
  const sandbox = { flags: ['--unshare-net'], reason: '', foreign: true };
  let copy = '';
  {
    await using workspace = await openWorkspace(trees[0]!, 'default', gcc, { ...context, sandbox });
    copy = workspace.build;
    t.not(copy, build);
    t.deepEqual(workspace.seen, { source: '/kiln/source', build: '/kiln/build' });
    t.is(await readFile(join(copy, 'vmlinux'), 'utf8'), 'built');
    await writeFile(join(copy, 'vmlinux'), 'theirs');
  }
  t.false(await exists(copy));
  t.is(await readFile(join(build, 'vmlinux'), 'utf8'), 'built');
  await using ours = await openWorkspace(trees[0]!, 'default', gcc, {
    ...context,
    sandbox: { ...sandbox, foreign: false },
  });
  t.is(ours.build, build);
});

test('the patches of a series from elsewhere build in one copy, which is theirs alone', async (t) => {
  const { dir, home, trees, context } = await example(t);
  const build = join(home, 'build', 'default');
  await mkdir(build, { recursive: true });
  await writeFile(join(build, 'vmlinux'), 'built');
  const sandbox = { flags: ['--unshare-net'], reason: '', foreign: true, home: join(dir, 'series') };
  for (const [found, left] of [
    ['built', 'of patch 1'],
    ['of patch 1', 'of patch 2'],
  ] as const) {
    await using workspace = await openWorkspace(trees[0]!, 'default', gcc, { ...context, sandbox });
    t.is(workspace.build, join(sandbox.home, 'default'));
    t.is(await readFile(join(workspace.build, 'vmlinux'), 'utf8'), found);
    await writeFile(join(workspace.build, 'vmlinux'), left);
  }
  t.is(await readFile(join(build, 'vmlinux'), 'utf8'), 'built');
});

test('a cache that was moved works on at its new place', async (t) => {
  const { dir, home, trees, context } = await example(t);
  await using first = await openWorkspace(trees[0]!, 'default', gcc, context);
  await first[Symbol.asyncDispose]();
  const moved = join(dir, 'moved');
  await rename(home, moved);
  await using workspace = await openWorkspace(
    { ...trees[1]!, gitDir: join(moved, 'repo.git') },
    'default',
    gcc,
    context,
  );
  t.is(await readFile(join(workspace.source, 'b.c'), 'utf8'), 'patched');
  t.is(workspace.source, join(moved, 'source'));
});
