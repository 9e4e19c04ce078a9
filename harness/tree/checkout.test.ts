// SPDX-License-Identifier: MIT
// Real git on a tree that looks like Linux from afar.
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { KilnError } from '../errors.ts';
import { barePatch } from '../series/patch.ts';
import { bareSeries } from '../series/series.ts';
import { quietContext } from '../testing/context.ts';
import { git } from '../util/git.ts';
import { treeKey } from '../util/hash.ts';
import { prepareBase } from './base.ts';
import { applySeries } from './tree.ts';
import { requireLinux } from './version.ts';

const files = {
  Makefile: 'VERSION = 6\nPATCHLEVEL = 12\n',
  Kconfig: '',
  'a.c': 'a',
  'old.c': 'old',
  '.gitignore': '*.o\n.config\n',
};

async function example(t: ExecutionContext) {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-checkout-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const tree = join(dir, 'linux');
  await mkdir(tree);
  for (const [name, text] of Object.entries(files)) await writeFile(join(tree, name), text);
  const notes: string[] = [];
  const context = quietContext(join(dir, 'cache'), { note: (_, text) => void notes.push(text) });
  const snapshot = async (path = tree) => (await prepareBase(`tree:${path}`, context)).base;
  return { dir, tree, context, notes, snapshot };
}

async function repository(t: ExecutionContext) {
  const all = await example(t);
  const { tree } = all;
  await git(tree, ['init', '--quiet', '--initial-branch=main']);
  await git(tree, ['add', '--all']);
  await git(tree, ['commit', '--quiet', '--message', 'Linux']);
  return { ...all, head: (await git(tree, ['rev-parse', 'HEAD'])).stdout };
}

async function show(base: { gitDir: string; commit: string }, path: string): Promise<string> {
  return (await git(base.gitDir, ['cat-file', 'blob', `${base.commit}:${path}`])).stdout;
}

test('a tree without changes is its commit', async (t) => {
  const { snapshot, head } = await repository(t);
  const base = await snapshot();
  t.is(base.commit, head);
  t.is(base.version, head.slice(0, 12));
});

test('what is not committed counts, staged or not; what git ignores does not; nothing is written', async (t) => {
  const { tree, snapshot, notes, head } = await repository(t);
  await writeFile(join(tree, 'a.c'), 'changed');
  await writeFile(join(tree, 'staged.c'), 'staged');
  await git(tree, ['add', 'staged.c']);
  await writeFile(join(tree, 'staged.c'), 'and changed');
  await writeFile(join(tree, 'new.c'), 'new');
  await rm(join(tree, 'old.c'));
  await chmod(join(tree, 'Kconfig'), 0o755);
  await symlink('a.c', join(tree, 'link.c'));
  for (const name of ['a.o', '.config']) await writeFile(join(tree, name), 'built');
  const before = await treeKey(tree);
  const base = await snapshot();
  t.is(await treeKey(tree), before);
  t.is(base.version, `${head.slice(0, 12)} with 6 changed files`);
  t.deepEqual(
    [await show(base, 'a.c'), await show(base, 'staged.c'), await show(base, 'new.c')],
    ['changed', 'and changed', 'new'],
  );
  const list = (await git(base.gitDir, ['ls-tree', '-r', base.commit])).stdout;
  t.notRegex(list, /old\.c|a\.o|\.config/);
  t.regex(list, /^100755 .*Kconfig$/m);
  t.regex(list, /^120000 .*link\.c$/m);
  t.deepEqual(notes, [`${tree} was built in place: its objects are not used`]);
  // The same files are the same commit, and the tree may go on changing.
  t.is((await snapshot()).commit, base.commit);
  await writeFile(join(tree, 'a.c'), 'later');
  t.not((await snapshot()).commit, base.commit);
  t.is(await show(base, 'a.c'), 'changed');
});

test('a change of the same length just after a commit is seen', async (t) => {
  const { tree, snapshot } = await repository(t);
  for (let round = 0; round < 20; round++) {
    await writeFile(join(tree, 'a.c'), `a${round % 10}`);
    await git(tree, ['add', 'a.c']);
    await writeFile(join(tree, 'a.c'), `b${round % 10}`);
    t.is(await show(await snapshot(), 'a.c'), `b${round % 10}`);
  }
});

test('a linked worktree has its own files', async (t) => {
  const { dir, tree, snapshot } = await repository(t);
  const other = join(dir, 'other');
  await git(tree, ['worktree', 'add', '--quiet', '--detach', other]);
  await writeFile(join(other, 'a.c'), 'other');
  t.is(await show(await snapshot(other), 'a.c'), 'other');
  t.is(await show(await snapshot(tree), 'a.c'), 'a');
});

test('a shallow clone, whose commit has no parent there, is a base that a series applies to', async (t) => {
  const { dir, tree, snapshot, context } = await repository(t);
  await writeFile(join(tree, 'a.c'), 'b');
  await git(tree, ['commit', '--quiet', '--all', '--message', 'second']);
  const shallow = join(dir, 'shallow');
  await git(dir, ['clone', '--quiet', '--depth', '1', `file://${tree}`, shallow]);
  await writeFile(join(shallow, 'new.c'), 'new');
  const base = await snapshot(shallow);
  t.is(await show(base, 'a.c'), 'b');
  const patch = `From: Ann <ann@example.org>
Subject: [PATCH] c

---
diff --git a/c.c b/c.c
new file mode 100644
--- /dev/null
+++ b/c.c
@@ -0,0 +1 @@
+c
`;
  const { tree: applied } = await applySeries(
    base,
    [bareSeries('one', 'one', [barePatch('1.patch', Buffer.from(patch))])],
    context,
  );
  t.is(
    (await git(applied.gitDir, ['ls-tree', '--name-only', applied.commit, 'c.c', 'new.c'])).stdout,
    'c.c\nnew.c',
  );
});

test('a tree without git is read, also inside a repository of something else', async (t) => {
  const { dir, tree, snapshot } = await example(t);
  await git(dir, ['init', '--quiet']);
  const base = await snapshot();
  t.regex(base.version, /^files [0-9a-f]{12}$/);
  t.is(await show(base, 'a.c'), 'a');
  await writeFile(join(tree, 'a.c'), 'changed');
  await rm(join(tree, 'old.c'));
  const later = await snapshot();
  t.is(await show(later, 'a.c'), 'changed');
  t.notRegex((await git(later.gitDir, ['ls-tree', later.commit])).stdout, /old\.c/);
});

test('merge conflicts, a repository without a commit, and what is no kernel are refused', async (t) => {
  const { dir, tree, snapshot } = await repository(t);
  const refused = async (path: string, message: RegExp) => {
    const error = await t.throwsAsync<KilnError>(snapshot(path));
    t.is(error.code, 'bad-input');
    t.regex(error.message, message);
  };
  await refused(join(dir, 'none'), /there is no directory .*none$/);
  await mkdir(join(tree, 'fs'));
  await refused(join(tree, 'fs'), /linux\/fs is not a kernel tree/);
  const fresh = join(dir, 'fresh');
  await cp(tree, fresh, { recursive: true });
  await rm(join(fresh, '.git'), { recursive: true });
  await git(fresh, ['init', '--quiet']);
  await refused(fresh, /fresh has no commit$/);
  await git(tree, ['checkout', '--quiet', '-b', 'one']);
  for (const branch of ['one', 'main']) {
    await git(tree, ['checkout', '--quiet', branch]);
    await writeFile(join(tree, 'a.c'), branch);
    await git(tree, ['commit', '--quiet', '--all', '--message', branch]);
  }
  await git(tree, ['merge', '--quiet', 'one'], { okCodes: [0, 1] });
  await refused(tree, /linux has merge conflicts: a\.c$/);
  t.regex(await readFile(join(tree, 'a.c'), 'utf8'), /^<<<<<<< /);
});

test('Linux before 6.1 is refused, and so is what is no Linux', async (t) => {
  const { tree, snapshot, context } = await repository(t);
  const judge = async (makefile: string) => {
    await writeFile(join(tree, 'Makefile'), makefile);
    return requireLinux(await snapshot(), context);
  };
  for (const fine of ['VERSION = 6\nPATCHLEVEL = 1\n', 'VERSION = 7\nPATCHLEVEL = 0\n'])
    await t.notThrowsAsync(judge(fine));
  for (const old of ['VERSION = 6\nPATCHLEVEL = 0\n', 'VERSION = 5\nPATCHLEVEL = 15\n']) {
    const error = await t.throwsAsync<KilnError>(judge(old));
    t.regex(error.message, /is Linux (6\.0|5\.15)$/);
    t.regex(error.hint, /6\.1 and newer/);
  }
  const base = await snapshot();
  const error = await t.throwsAsync<KilnError>(
    requireLinux(
      { ...base, commit: (await git(base.gitDir, ['hash-object', '-w', '--stdin'], { input: '' })).stdout },
      context,
    ),
  );
  t.is(error.code, 'bad-input');
});
