// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { paths } from '../paths.ts';
import { readSeries } from '../series/series.ts';
import { quietContext } from '../testing/context.ts';
import { exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import { type Base, prepareBase } from './base.ts';
import { blameLines } from './blame.ts';
import { applySeries, type Tree } from './tree.ts';

const lines = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}\n`).join('');

/**
 * A user's repository. On `base`: `work` (all that mail would lose, one commit each), `other` (another base, on which
 * work applies), `forked` (on an older base), `back` (forked, into which base was merged), `pair` and `half` of it. Each
 * test only reads it.
 */
let dir: string;
let user: string;
let context: Context;
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  user = join(dir, 'user');
  await mkdir(user);
  await run('init', '--quiet', '--template=', '--initial-branch=base');
  await commit('before', { 'fs/a.c': lines(1, 30), Kconfig: 'config A\n\tbool\n' });
  await run('tag', 'before');
  await commit('base', { 'lib/dos.txt': 'one\r\ntwo\r\nthree\r\n', 'fs/other.c': 'int other;\n' });
  await run('checkout', '--quiet', '-b', 'work');
  await commit('fs: a: five', { 'fs/a.c': lines(1, 30).replace('line 5\n', 'five\n') });
  await commit('', { 'fs/quiet.c': 'int quiet;\n' });
  await commit(
    'fs: show a diff\n\nFrom 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: nobody\n\n---\ndiff --git a/Kconfig b/Kconfig\n--- a/Kconfig\n+++ b/Kconfig\n@@ -1,2 +1 @@\n config A\n-\tbool\n-- \n2.1\n',
    { 'fs/shown.c': 'int shown;\n' },
  );
  await commit('lib: dos', { 'lib/dos.txt': 'one\r\n2\r\nthree\r\n', 'lib/new.txt': 'x\r\ny\r\n' });
  await run('mv', 'fs/a.c', 'fs/b.c');
  await run('update-index', '--chmod=+x', 'Kconfig');
  await commit('fs: rename and mode', {
    'fs/b.c': lines(1, 30).replace('line 5\n', 'five\n').replace('line 25\n', 'fünf\xe4\n'),
    logo: '\0\x01\xff\0',
  });
  await run('commit', '--quiet', '--allow-empty', '--message', 'nothing');
  await run('checkout', '--quiet', '--force', '-b', 'other', 'base');
  await commit('other: more', { 'fs/a.c': `line 0\n${lines(1, 30)}`, 'fs/other.c': 'int another;\n' });
  await run('checkout', '--quiet', '-b', 'forked', 'before');
  await commit('fs: forked', { 'fs/forked.c': 'int forked;\n' });
  await run('checkout', '--quiet', '-b', 'back', 'forked');
  await run('merge', '--quiet', '--message', 'Merge base', 'base');
  await commit('fs: after', { 'fs/after.c': 'int after;\n' });
  const five = lines(1, 30).replace('line 5\n', 'five\n');
  await run('checkout', '--quiet', '-b', 'pair', 'base');
  await commit('fs: two lines', { 'fs/a.c': five.replace('line 20\n', 'twenty\n') });
  await run('checkout', '--quiet', '-b', 'half', 'base');
  await commit('fs: one of them', { 'fs/a.c': five });
  context = quietContext(join(dir, 'cache'));
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

async function run(...args: string[]): Promise<string> {
  const env = {
    GIT_AUTHOR_NAME: 'Ann',
    GIT_AUTHOR_EMAIL: 'ann@example.org',
    GIT_AUTHOR_DATE: '@86400 +0200',
  };
  return (await git(user, args, { env })).stdout;
}

async function commit(message: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(user, path)), { recursive: true });
    await writeFile(join(user, path), text, 'latin1');
  }
  await run('add', '--all', '--', ...Object.keys(files));
  await run('commit', '--quiet', '--allow-empty-message', '--message', message);
}

async function apply(
  base: string,
  ...sources: string[]
): Promise<{ base: Base; tree: Tree; cached: boolean }> {
  const prepared = (await prepareBase(base, context)).base;
  const series = await Promise.all(sources.map((source) => readSeries(source, paths.patches)));
  return { base: prepared, ...(await applySeries(prepared, series, context)) };
}

/** A base that shares no objects with the user's repository. */
async function archive(name: string): Promise<string> {
  const file = join(dir, `${name.replace('~', '-')}.tar`);
  await run('archive', '--prefix=linux/', '--output', file, name);
  return `tar:${file}`;
}

const range = (text: string) => `git:${user}#${text}`;

test('on its own base a range gives the tree of its end, one patch a commit', async (t) => {
  const { tree } = await apply(range('base'), range('base..work'));
  t.is(tree.content, await run('rev-parse', 'work^{tree}'));
  t.deepEqual(
    tree.patches.map(({ file, subject, files }) => [file, subject, files]),
    [
      ['0001-fs-a-five.patch', 'fs: a: five', ['fs/a.c']],
      [`0002-${await run('rev-parse', '--short=12', 'work~4')}.patch`, '', ['fs/quiet.c']],
      ['0003-fs-show-a-diff.patch', 'fs: show a diff', ['fs/shown.c']],
      ['0004-lib-dos.patch', 'lib: dos', ['lib/dos.txt', 'lib/new.txt']],
      ['0005-fs-rename-and-mode.patch', 'fs: rename and mode', ['Kconfig', 'fs/a.c', 'fs/b.c', 'logo']],
    ],
  );
  const format = '--format=%an <%ae> %ad|%cn <%ce> %cd|%B';
  const show = ['log', '-1', '--date=raw', format, tree.patches[2]!.commit];
  t.is(
    (await git(tree.gitDir, show)).stdout.trimEnd(),
    `Ann <ann@example.org> 86400 +0200|kiln <kiln@localhost> 86400 +0200|${await run('log', '-1', '--format=%B', 'work~3')}`.trimEnd(),
  );
});

test('a commit without a message owns its lines', async (t) => {
  const { tree } = await apply(range('base'), range('base..work'));
  const blame = await blameLines(tree, [{ file: 'fs/quiet.c', line: 1 }], context);
  t.is(blame.get('fs/quiet.c:1'), tree.patches[1]!.file);
});

test('on another base each commit is the diff that it was', async (t) => {
  const { tree } = await apply(range('other'), range('base..work'));
  t.deepEqual(tree.warnings, []);
  const changes = async (args: string[]) => {
    const { stdout } = await git(tree.gitDir, ['diff-tree', '-p', '--binary', '-M', '--full-index', ...args]);
    return stdout.replace(/^(@@ .*|index .*|similarity .*)$/gm, '');
  };
  const commits = (await run('rev-list', '--reverse', 'base..work')).split('\n');
  for (const [index, patch] of tree.patches.entries())
    t.is(
      await changes([`${patch.commit}^`, patch.commit]),
      await changes([`${commits[index]}^`, commits[index]!]),
      patch.file,
    );
  t.is(tree.patches.length, 5);
  t.is(tree.patches[2]!.subject, 'fs: show a diff');
  t.regex((await git(tree.gitDir, ['show', `${tree.commit}:fs/b.c`])).stdout, /^line 0\nline 1\n/);
  const show = await git(tree.gitDir, [
    'log',
    '-1',
    '--format=%an %ad',
    '--date=raw',
    tree.patches[2]!.commit,
  ]);
  t.is(show.stdout, 'Ann 86400 +0200');
});

test('no attributes come between a range and the bytes that git has, be they the tree’s or the user’s', async (t) => {
  await run('checkout', '--quiet', '--force', '-b', 'attributes', 'base');
  // git stores these bytes although the attributes say otherwise.
  const store = async (files: Record<string, string>) => {
    for (const [path, text] of Object.entries(files)) {
      const hash = (await git(user, ['hash-object', '-w', '--stdin'], { input: text })).stdout;
      await run('update-index', '--add', '--cacheinfo', `100644,${hash},${path}`);
    }
    await run('commit', '--quiet', '--message', Object.keys(files).join());
  };
  const wide = '*.w working-tree-encoding=UTF-16LE\n*.i ident\n*.n -diff\n';
  await store({
    '.gitattributes': `*.t text eol=crlf\n${wide}`,
    'a.t': '1\r\n2\r\n',
    'b.w': 'x\n',
    'c.i': '$Id: 1 $\nx\n',
    'd.n': lines(1, 9),
  });
  await run('tag', 'attributed');
  await store({ 'other.c': 'int x;\n', 'd.n': `line 0\n${lines(1, 9)}` });
  const [onto, beside] = [await run('rev-parse', 'HEAD'), 'attributed'];
  await run('reset', '--quiet', '--soft', beside);
  await run('read-tree', beside);
  await store({
    'a.t': '1\r\n3\r\n',
    'b.w': 'y\n',
    'c.i': '$Id: 1 $\ny\n',
    'd.n': lines(1, 9).replace('line 5', 'five'),
    'e.t': '\r\n\n',
  });
  const { tree } = await apply(range(onto), range(`${beside}..attributes`));
  for (const path of ['a.t', 'b.w', 'c.i', 'e.t']) {
    const { stdout } = await git(tree.gitDir, ['rev-parse', `${tree.commit}:${path}`]);
    t.is(stdout, await run('rev-parse', `attributes:${path}`), path);
  }
  const { stdout } = await git(tree.gitDir, ['show', `${tree.commit}:d.n`]);
  t.is(stdout, `line 0\n${lines(1, 9).replace('line 5', 'five')}`.trimEnd());
  t.deepEqual(tree.warnings, []);
});

test('what a range consists of is copied: the tree needs the repository of the base alone', async (t) => {
  const exact = await apply(await archive('base'), range('base..work'));
  t.is(exact.tree.content, await run('rev-parse', 'work^{tree}'));
  await t.notThrowsAsync(git(exact.tree.gitDir, ['rev-list', '--objects', exact.tree.commit]));
  const other = await apply(await archive('other'), range('base..work'));
  await t.notThrowsAsync(git(other.tree.gitDir, ['rev-list', '--objects', other.tree.commit]));
  t.is(other.tree.content, (await apply(range('other'), range('base..work'))).tree.content);
});

test('a range is applied after other series, and other series after it', async (t) => {
  const middle = await apply(range('base'), range('base..work~3'), range('work~3..work'));
  t.is(middle.tree.content, await run('rev-parse', 'work^{tree}'));
  const mail = join(dir, 'one.mbox');
  await writeFile(mail, `${await run('format-patch', '--stdout', '-1', 'forked')}\n`);
  const first = await apply(range('base'), mail, range('base..work'));
  const last = await apply(range('base'), range('base..work'), mail);
  t.is(first.tree.content, last.tree.content);
  t.is(first.tree.patches[0]!.file, '0001-fs-forked.patch');
  t.is(last.tree.patches[5]!.file, '0001-fs-forked.patch');
  t.not(first.tree.key, last.tree.key);
});

test('ranges of other commits are other trees, and the same range is cached', async (t) => {
  const one = await apply(range('base'), range('base..work~1'));
  t.not(one.tree.key, (await apply(range('base'), range('base..work~2'))).tree.key);
  t.true((await apply(range('base'), range('base..work~1'))).cached);
  const here = await apply(range('other'), range('base..work~1'));
  t.not(here.tree.key, one.tree.key);
});

test('with merges a range is taken on its own base alone, and the refusal names that base', async (t) => {
  const { tree } = await apply(range('before'), range('before..back'));
  t.is(tree.content, await run('rev-parse', 'back^{tree}'));
  t.deepEqual(
    tree.patches.map(({ subject }) => subject),
    ['fs: forked', 'Merge base', 'fs: after'],
  );
  const error = await t.throwsAsync<KilnError>(apply(range('other'), range('before..back')), {
    instanceOf: KilnError,
    message:
      /^user: .* has merges \("Merge base"\), which can be taken only on the range's own base, with no series before it$/,
  });
  t.is(error.exitCode, 2);
  t.regex(error.hint, new RegExp(`--base git:${user}#${await run('rev-parse', '--short=12', 'before')},`));
});

test('a branch that merged its base is on that base exactly the branch', async (t) => {
  const { tree } = await apply(range('base'), range('base..back'));
  t.is(tree.content, await run('rev-parse', 'back^{tree}'));
  t.deepEqual(
    tree.patches.map(({ subject, files }) => [subject, files]),
    [
      ['Merge base', ['fs/forked.c']],
      ['fs: after', ['fs/after.c']],
    ],
  );
});

test('a branch that forked before A is applied to A by its diffs', async (t) => {
  const { tree } = await apply(range('base'), range('base..forked'));
  t.is(tree.patches.length, 1);
  const show = async (path: string) => (await git(tree.gitDir, ['show', `${tree.commit}:${path}`])).stdout;
  t.is(await show('fs/forked.c'), 'int forked;');
  t.is(await show('fs/other.c'), 'int other;');
});

test('a commit that does not apply names its base to paste', async (t) => {
  const error = await t.throwsAsync<KilnError>(apply(range('forked'), range('base..work')), {
    instanceOf: KilnError,
  });
  t.is(error.exitCode, 3);
  t.is(error.details.cause, 'another-base');
  t.is(error.details.patch, '0004-lib-dos.patch');
  t.is(error.details.file, 'lib/dos.txt');
  const base = await run('rev-parse', '--short=10', 'base');
  t.regex(error.message, new RegExp(`the range was made on ${base}; use --base git:${user}#${base}$`));
});

test('a commit of which the base has a part is merged, and is not what it was, which is said', async (t) => {
  const { tree } = await apply(range('half'), range('base..pair'));
  t.is(tree.content, await run('rev-parse', 'pair^{tree}'));
  t.deepEqual(tree.warnings, [
    'user: 0001-fs-two-lines.patch applies to this base only by a three-way merge (git am --3way)',
    'user: 0001-fs-two-lines.patch changes other lines on this base than in the range',
  ]);
});

test('a repository that lacks files of the range is named', async (t) => {
  const partial = join(dir, 'partial');
  await run('config', 'uploadpack.allowFilter', 'true');
  const options = ['--quiet', '--bare', '--template=', '--filter=blob:none', '--no-local'];
  await git(dir, ['clone', ...options, '--branch=work', user, partial]);
  for (const base of ['work~2', 'other']) {
    const error = await t.throwsAsync<KilnError>(
      apply(await archive(base), `git:${partial}#work~2..work~1`),
      { instanceOf: KilnError },
    );
    t.is(error.exitCode, 2);
    t.regex(error.message, /partial lacks files of the range/, base);
  }
});

test('a range of 300 commits is taken, on its own base and on another', async (t) => {
  const many = Array.from({ length: 300 }, (_, index) =>
    [
      'commit refs/heads/many',
      'author A <a@b> 1 +0000',
      'committer A <a@b> 1 +0000',
      'data 2',
      `${index % 10}`,
      ...(index === 0 ? [`from ${'refs/heads/base^0'}`] : []),
      `M 100644 inline fs/many${index % 20}.c`,
      'data <<END',
      `int n${index};`,
      'END',
      '',
    ].join('\n'),
  );
  await git(user, ['fast-import', '--quiet'], { input: many.join('\n') });
  for (const base of ['base', 'other']) {
    const { tree } = await apply(range(base), range('base..many'));
    t.is(tree.patches.length, 300);
    if (base === 'base') t.is(tree.content, await run('rev-parse', 'many^{tree}'));
  }
});

for (const [report, branches] of [
  [
    'merges',
    {
      conflict: ['fs: x: a() gives ten', 'Merge right: a() gives both'],
      'fix-up': ['mm: y: add n', 'Merge r2 with a fix-up'],
    },
  ],
  ['crlf', { change: ['lib: dos: a digit'], new: ['lib: a new file with CR LF'] }],
] as const)
  test(`on its base, each branch of the fixture ${report} is exactly that branch`, async (t) => {
    const at = join(dir, report);
    await mkdir(at);
    await exec('sh', [join(paths.root, 'harness/fixtures/ranges', `${report}.sh`), at]);
    const repository = join(at, 'repo');
    for (const [branch, subjects] of Object.entries(branches)) {
      const { tree } = await apply(`git:${repository}#base`, `git:${repository}#base..${branch}`);
      t.is(tree.content, (await git(repository, ['rev-parse', `${branch}^{tree}`])).stdout, branch);
      t.deepEqual(
        tree.patches.map(({ subject }) => subject),
        subjects,
      );
    }
  });
