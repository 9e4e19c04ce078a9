// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { barePatch } from '../series/patch.ts';
import { bareSeries, type Series } from '../series/series.ts';
import { quietContext } from '../testing/context.ts';
import { git } from '../util/git.ts';
import { prepareBase } from './base.ts';
import { applySeries, type Tree } from './tree.ts';

/** A user's repository: `old`, then a commit a change. Each test only reads it. */
let dir: string;
let user: string;
let context: Context;
const body = (word: string) =>
  Array.from({ length: 30 }, (_, index) => `\tint ${word}${index + 1};\n`).join('');
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  user = join(dir, 'user');
  await mkdir(user);
  await git(user, ['init', '--quiet', '--template=', '--initial-branch=new']);
  await commit('old', { 'fs/a.c': body('a'), 'fs/b.c': body('b'), 'fs/c.c': body('c') });
  await commit('lib: dos', { 'lib/dos.c': body('d').replaceAll('\n', '\r\n') });
  await git(user, ['tag', 'old']);
  await commit('fs: a: ten', { 'fs/a.c': body('a').replace('int a10;', 'int ten;') });
  await git(user, ['mv', 'fs/b.c', 'fs/moved.c']);
  await commit('fs: b: rename', { 'fs/moved.c': body('b') });
  await git(user, ['rm', '--quiet', 'fs/c.c']);
  await commit('fs: c: remove', { 'fs/there.c': 'int there;\n' });
  context = quietContext(join(dir, 'cache'));
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

async function commit(message: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(user, path)), { recursive: true });
    await writeFile(join(user, path), text);
  }
  await git(user, ['add', '--all']);
  await git(user, ['commit', '--quiet', '--message', message]);
}

async function apply(series: Series, base = 'new'): Promise<Tree> {
  const prepared = await prepareBase(`git:${user}#${base}`, context);
  return (await applySeries(prepared.base, [series], context)).tree;
}

async function refused(series: Series, base?: string): Promise<KilnError> {
  const error = await (async () => apply(series, base))().then(
    () => new Error('it applies'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof KilnError)) throw error;
  return error;
}

/** Mails [PATCH v2 n/m], made of files before and after. */
function mails(...diffs: string[]): Series {
  const patches = diffs.map((diff, index) => {
    const subject = `[PATCH v2 ${index + 1}/${diffs.length}] a change`;
    const head = `From: Ann <ann@example.org>\nDate: Fri, 2 Jan 2026 03:04:05 +0100\nSubject: ${subject}\n\n---\n`;
    const mail = Buffer.from(`${head}${diff}-- \n2.39.5\n`);
    return { ...barePatch(`000${index + 1}-a-change.patch`, mail), number: index + 1, subject };
  });
  return bareSeries('s', 's.mbox', patches);
}

/** A hunk that changes line `line` of a file of body(), in the state that the file had at `old`. */
function change(file: string, word: string, line: number, to = 'changed'): string {
  const at = (from: number, until: number) =>
    Array.from({ length: until - from + 1 }, (_, index) => ` \tint ${word}${from + index};\n`).join('');
  return [
    `diff --git a/${file} b/${file}\n--- a/${file}\n+++ b/${file}\n@@ -${line - 3},7 +${line - 3},7 @@\n`,
    `${at(line - 3, line - 1)}-\tint ${word}${line};\n+\tint ${to};\n${at(line + 1, line + 3)}`,
  ].join('');
}

/** The same with the `index` line that a three-way merge needs. */
async function withIndex(diff: string, file: string): Promise<string> {
  const blob = (await git(user, ['rev-parse', `old:${file}`])).stdout;
  return diff.replace('--- a/', `index ${blob}..${'1'.repeat(40)} 100644\n--- a/`);
}

const commitOf = async (name: string, digits: number) =>
  (await git(user, ['rev-parse', `--short=${digits}`, name])).stdout;

test('a patch that the base has is already in this base', async (t) => {
  const first = change('fs/a.c', 'a', 20);
  const error = await refused(mails(first, change('fs/a.c', 'a', 10, 'ten')));
  t.is(error.message, 's: 0002-a-change.patch (v2 2/2) is already in this base');
  t.is(error.exitCode, 3);
  t.is(error.details.cause, 'already-applied');
  t.regex(error.hint, /leave the patch out/);
});

test('a series of which the base has every patch is applied, one of which it has some is not', async (t) => {
  const ten = change('fs/a.c', 'a', 10, 'ten');
  const there =
    'diff --git a/fs/there.c b/fs/there.c\nnew file mode 100644\n--- /dev/null\n+++ b/fs/there.c\n@@ -0,0 +1 @@\n+int there;\n';
  const whole = await refused(mails(ten, there));
  t.is(
    whole.message,
    's: 0001-a-change.patch (v2 1/2) is already in this base, and so are all other patches of the series',
  );
  t.is(whole.details.cause, 'already-applied');
  t.regex(whole.hint, /^the series is applied, which leaves nothing to test: choose/);
  const first = await refused(mails(ten, change('fs/a.c', 'a', 20)));
  t.is(first.message, 's: 0001-a-change.patch (v2 1/2) is already in this base');
});

test('a patch that comes twice is already there, and not in the base', async (t) => {
  const one = change('fs/a.c', 'a', 20);
  const error = await refused(mails(one, one));
  t.regex(error.message, /^s: 0002-a-change\.patch \(v2 2\/2\) is already there: what was applied before/);
  t.is(error.details.cause, 'already-applied');
});

test('a context that differs is named by file, hunk, line and the commit that changed it last', async (t) => {
  const error = await refused(mails(change('fs/a.c', 'a', 9)));
  const last = await commitOf('new~2', 12);
  t.is(
    error.message,
    `s: 0001-a-change.patch (v2 1/1) does not apply: fs/a.c, hunk @@ -6,7 +6,7 @@: the context does not match, the file has no line "int a10;"; commit ${last} ("fs: a: ten") changed it last`,
  );
  t.is(error.details.cause, 'context-differs');
  t.regex(
    error.hint,
    /a three-way merge \(git am --3way\) was tried and fails, because the base lacks the files/,
  );
});

test('a context that an earlier patch of the series changed is blamed on that patch', async (t) => {
  const error = await refused(mails(change('fs/a.c', 'a', 20), change('fs/a.c', 'a', 21)));
  t.regex(error.message, /; an earlier patch \("a change"\) changed it last$/);
});

test('a file that is not there is named, with the commit that removed or renamed it', async (t) => {
  const gone = await refused(mails(change('fs/c.c', 'c', 9)));
  const last = await commitOf('new', 12);
  t.is(
    gone.message,
    `s: 0001-a-change.patch (v2 1/1) does not apply: fs/c.c: does not exist in index; commit ${last} ("fs: c: remove") removed it`,
  );
  t.is(gone.details.cause, 'file-missing');
  const moved = await refused(mails(change('fs/b.c', 'b', 9)));
  t.regex(moved.message, /\("fs: b: rename"\) renamed it to fs\/moved\.c$/);
  const never = await refused(mails(change('fs/never.c', 'b', 9)));
  t.regex(never.message, /fs\/never\.c: does not exist in index$/);
});

test('a file that is there already, with another content, is named', async (t) => {
  const add =
    'diff --git a/fs/there.c b/fs/there.c\nnew file mode 100644\n--- /dev/null\n+++ b/fs/there.c\n@@ -0,0 +1 @@\n+x\n';
  const error = await refused(mails(add));
  t.is(error.details.cause, 'file-exists');
  t.regex(
    error.message,
    /fs\/there\.c: already exists in index; commit .* \("fs: c: remove"\) changed it last$/,
  );
});

test('a merge without a conflict is taken, and said; the cache says it too', async (t) => {
  const moved = await withIndex(change('fs/b.c', 'b', 9), 'fs/b.c');
  const next = await withIndex(change('fs/a.c', 'a', 9), 'fs/a.c');
  const series = mails(change('fs/a.c', 'a', 20), moved, next);
  const clean = mails(change('fs/a.c', 'a', 20), moved, change('fs/a.c', 'a', 25));
  const tree = await apply(clean);
  t.deepEqual(tree.warnings, [
    's: 0002-a-change.patch (v2 2/3) applies to this base only by a three-way merge (git am --3way)',
  ]);
  t.is(tree.patches.length, 3);
  t.regex((await git(tree.gitDir, ['show', `${tree.commit}:fs/moved.c`])).stdout, /^\tint changed;$/m);
  t.deepEqual((await apply(clean)).warnings, tree.warnings);
  const conflict = await refused(series);
  t.regex(conflict.hint, /a three-way merge \(git am --3way\) was tried and conflicts in fs\/a\.c$/);
});

test('a series made on another base names it, to paste if the repository has it', async (t) => {
  const one = change('fs/a.c', 'a', 9);
  const short = await commitOf('old', 10);
  const known = { ...mails(one), baseCommit: await commitOf('old', 40) };
  const error = await refused(known);
  t.is(
    error.message,
    `s: 0001-a-change.patch (v2 1/1) does not apply to this base: fs/a.c, hunk @@ -6,7 +6,7 @@: the series was made on ${short} (base-commit of 0/1); use --base git:${user}#${short}`,
  );
  t.is(error.details.cause, 'another-base');
  t.regex(error.hint, /\("fs: a: ten"\) changed it last; a three-way merge/);
  await t.notThrowsAsync(apply(known, short));
  const unknown = await refused({ ...mails(one), baseCommit: '1'.repeat(40) });
  t.regex(unknown.message, /made on 1111111111 \(base-commit of 0\/1\); use --base git:DIR#1111111111$/);
  t.regex(
    unknown.hint,
    /DIR is a git repository that has this commit; .*user does not, git fetch may get it/,
  );
  const own = await refused({ ...mails(one), baseCommit: await commitOf('new', 40) });
  t.is(own.details.cause, 'context-differs');
});

test('a wrapped line, a mail that was cut off: damaged, with the line of the mail', async (t) => {
  const wrapped = change('fs/a.c', 'a', 20).replace(' \tint a22;', ' \tint\na22;');
  const error = await refused(mails(change('fs/a.c', 'a', 25), wrapped));
  t.is(
    error.message,
    's: 0002-a-change.patch (v2 2/2) is damaged: line 13 is no line of a patch, a mailer wrapped or changed it: "a22;"',
  );
  t.is(error.exitCode, 3);
  t.is(error.details.cause, 'damaged');
  t.notRegex(error.hint, /rebase/);
  const cut = await refused(mails(change('fs/a.c', 'a', 20).replace(/ \tint a22;[\s\S]*/, '')));
  t.regex(
    cut.message,
    /is damaged: line 12 comes in the middle of a hunk, lines before it are missing: "--"$/,
  );
});

test('white space that a mailer changed: damaged, with the line of the mail', async (t) => {
  const one = change('fs/a.c', 'a', 20);
  const spaces = await refused(mails(one.replaceAll('\t', '        ')));
  t.is(spaces.message, 's: 0001-a-change.patch (v2 1/1) is damaged: line 6 has spaces where fs/a.c has tabs');
  t.is(spaces.details.cause, 'damaged');
  t.is(spaces.details.hunk, '@@ -17,7 +17,7 @@');
  const hard = await refused(mails(one.replace('-\tint a20', '-\tint\u00a0a20')));
  t.regex(hard.message, /is damaged: line 9 has no-break spaces where fs\/a\.c has plain ones$/);
  const dos = await refused(mails(change('lib/dos.c', 'd', 20)));
  t.regex(dos.message, /is damaged: line 6 lacks the CR with which lib\/dos\.c ends its lines$/);
  const some = await refused(mails(one.replace(' \tint a18', '     int a18')));
  t.is(some.details.cause, 'context-differs');
  t.regex(some.message, /the context does not match, line 7 differs from fs\/a\.c in white space only/);
});
