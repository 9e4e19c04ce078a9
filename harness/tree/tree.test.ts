// SPDX-License-Identifier: MIT
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Context } from '../context.ts';
import { asKilnError, KilnError } from '../errors.ts';
import { barePatch } from '../series/patch.ts';
import { bareSeries, fromMails, readSeries, type Series } from '../series/series.ts';
import { quietContext } from '../testing/context.ts';
import { git } from '../util/git.ts';
import type { Base } from './base.ts';
import { blameLines } from './blame.ts';
import { applySeries, applyUpTo, lastToTouch } from './tree.ts';

test('each patch becomes a commit with its subject, author, date and files', async (t) => {
  const { base, context } = await setup(t);
  const { tree, cached } = await applySeries(
    base,
    [series(edit(5, 'five'), add('fs/new.c', 'new'))],
    context,
  );
  t.false(cached);
  t.deepEqual(
    tree.patches.map(({ series: name, file, subject, files }) => [name, file, subject, files]),
    [
      ['s', '0001.patch', 'change line 5', ['fs/a.c']],
      ['s', '0002.patch', 'add fs/new.c', ['fs/new.c']],
    ],
  );
  t.is(tree.patches[1]?.commit, tree.commit);
  const format = '--format=%an <%ae> %ad|%cn <%ce> %cd';
  t.is(
    (await git(base.gitDir, ['log', '-1', '--date=iso', format, tree.commit])).stdout,
    'Ann <ann@example.org> 2026-01-02 03:04:05 +0100|kiln <kiln@localhost> 2026-01-02 03:04:05 +0100',
  );
  t.regex(await show(base, tree.commit, 'fs/a.c'), /^line 4\nfive\nline 6$/m);
  t.is(await show(base, tree.commit, 'fs/new.c'), 'new');
  t.is(await show(base, tree.commit, 'Makefile'), 'all:');
});

test('the same series gives the same commits in another cache and another repository', async (t) => {
  const [here, there] = [await setup(t), await setup(t)];
  const patches = series(edit(5, 'five'), bare(edit(15, 'fifteen')), bare(add('fs/new.c', 'new')));
  const one = (await applySeries(here.base, [patches], here.context)).tree;
  const two = (await applySeries(there.base, [patches], there.context)).tree;
  t.is(one.key, two.key);
  t.is(one.content, two.content);
  t.deepEqual(one.patches, two.patches);
});

test('a mail without a date gives the same commit at any time', async (t) => {
  const [here, there] = [await setup(t), await setup(t)];
  const undated = series(edit(5, 'five').replace(/^Date: .*\n/m, ''));
  const one = (await applySeries(here.base, [undated], here.context)).tree;
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const two = (await applySeries(there.base, [undated], there.context)).tree;
  t.is(one.commit, two.commit);
});

test('a second time the tree comes from the cache', async (t) => {
  const { base, context } = await setup(t);
  const first = await applySeries(base, [series(edit(5, 'five'))], context);
  const second = await applySeries(base, [series(edit(5, 'five'))], context);
  t.true(second.cached);
  t.deepEqual(second.tree, first.tree);
  t.false((await applySeries(base, [series(edit(5, 'FIVE'))], context)).cached);
});

test('a tree whose repository has been made anew is applied anew', async (t) => {
  const { base, context, dir } = await setup(t);
  await applySeries(base, [series(edit(5, 'five'))], context);
  await rm(base.gitDir, { recursive: true });
  await git(dir, ['clone', '--quiet', '--bare', join(dir, 'user'), base.gitDir]);
  const { tree } = await applySeries(base, [series(edit(5, 'five'))], context);
  await t.notThrowsAsync(git(base.gitDir, ['cat-file', '-e', tree.commit]));
});

test('several series are applied one after another', async (t) => {
  const { base, context } = await setup(t);
  const one = { ...series(edit(5, 'five')), name: 'one' };
  const two = { ...series(add('fs/new.c', 'new'), edit(9, 'nine')), name: 'two' };
  const { tree } = await applySeries(base, [one, two], context);
  t.deepEqual(
    tree.patches.map(({ series: name, file }) => `${name}/${file}`),
    ['one/0001.patch', 'two/0001.patch', 'two/0002.patch'],
  );
});

test('without a series the tree is the base', async (t) => {
  const { base, context } = await setup(t);
  const { tree } = await applySeries(base, [], context);
  t.is(tree.commit, base.commit);
  t.deepEqual(tree.patches, []);
});

test('the first patches of a series give the tree that they give by themselves', async (t) => {
  const { base, context } = await setup(t);
  const before = { ...series(add('fs/before.c', 'before')), name: 'before' };
  const config = add('fs/new/Kconfig', 'config NEW');
  const whole = series(edit(5, 'five'), config, edit(15, 'fifteen'));
  const two = { ...whole, patches: whole.patches.slice(0, 2) };
  const { tree } = await applyUpTo(base, [before, whole], { before: 1, count: 2 }, context);
  const alone = (await applySeries(base, [before, two], context)).tree;
  t.is(tree.commit, alone.commit);
  t.is(tree.content, alone.content);
  t.deepEqual(tree.patches, alone.patches);
  t.deepEqual(tree.symbols, alone.symbols);
  const none = (await applyUpTo(base, [whole], { before: 0, count: 0 }, context)).tree;
  t.is(none.commit, base.commit);
  t.false(none.symbols.includes('NEW'));
});

test('the first patches are applied although a later one does not apply', async (t) => {
  const { base, context } = await setup(t);
  const broken = series(edit(5, 'five'), edit(9, 'nine'), edit(5, 'again'));
  const { tree } = await applyUpTo(base, [broken], { before: 0, count: 2 }, context);
  t.deepEqual(
    tree.patches.map(({ subject }) => subject),
    ['change line 5', 'change line 9'],
  );
  const error = await t.throwsAsync(applyUpTo(base, [broken], { before: 0, count: 3 }, context), {
    instanceOf: KilnError,
  });
  t.is(error?.details.patch, '0003.patch');
});

test('the symbols are those of every Kconfig file, of the base and of the patches', async (t) => {
  const { base, context } = await setup(t);
  const kconfig = add(
    'fs/srv/Kconfig',
    'menuconfig SRV_FS',
    '\tbool "x"',
    '# config NO',
    'choice',
    '\tconfig INDENTED',
    'endchoice',
    '\t  The config option has words behind it.',
  );
  const { tree } = await applySeries(base, [series(kconfig)], context);
  t.deepEqual(tree.symbols, ['64BIT', 'EXT4_FS', 'INDENTED', 'SRV_FS']);
});

test('a bare diff without a mail header is applied, named by its file', async (t) => {
  const { base, context } = await setup(t);
  const { tree } = await applySeries(base, [series(bare(edit(5, 'five')))], context);
  t.deepEqual(
    tree.patches.map(({ subject, files }) => [subject, files]),
    [['0001.patch', ['fs/a.c']]],
  );
});

test('a diff of diff -u below some words is applied', async (t) => {
  const { base, context } = await setup(t);
  const plain = bare(edit(5, 'five'))
    .replace(/^diff .*\n/, 'Five is better.\n\n')
    .replace(/^((?:---|\+\+\+) .*)$/gm, '$1\t2026-01-02 03:04:05.000000000 +0100');
  const { tree } = await applySeries(base, [series(plain)], context);
  t.deepEqual(tree.patches[0]?.files, ['fs/a.c']);
});

test('a mail with CRLF is applied', async (t) => {
  const { base, context } = await setup(t);
  const { tree } = await applySeries(base, [series(edit(5, 'five').replaceAll('\n', '\r\n'))], context);
  t.regex(await show(base, tree.commit, 'fs/a.c'), /^five$/m);
});

test('a file of a mail keeps its CR, unless all lines of the mail have one', async (t) => {
  const { base, context } = await setup(t);
  const dos = add('fs/dos.c', 'one\r', 'two\r', 'three');
  const change = mail('two', hunk('fs/dos.c', '@@ -1,3 +1,3 @@', ' one\r', '-two\r', '+2\r', ' three'));
  const { tree } = await applySeries(base, [series(dos, bare(change))], context);
  t.is(await show(base, tree.commit, 'fs/dos.c'), 'one\r\n2\r\nthree');
  const travelled = add('fs/unix.c', 'one', 'two').replaceAll('\n', '\r\n');
  const plain = (await applySeries(base, [series(travelled)], context)).tree;
  t.is(await show(base, plain.commit, 'fs/unix.c'), 'one\ntwo');
});

test('a binary diff, a rename, a mode and a removal are applied', async (t) => {
  const { base, context, dir } = await setup(t);
  const work = join(dir, 'work');
  await git(dir, ['clone', '--quiet', join(dir, 'user'), work]);
  await writeFile(join(work, 'logo'), Buffer.from([0, 1, 2, 0xff, 0]));
  await git(work, ['mv', 'fs/a.c', 'fs/b.c']);
  await git(work, ['rm', '--quiet', 'fs/Kconfig']);
  await git(work, ['update-index', '--chmod=+x', 'Makefile']);
  await git(work, ['add', 'logo']);
  await git(work, ['commit', '--quiet', '--message', 'all kinds']);
  const mail = (await git(work, ['format-patch', '--stdout', '--binary', '-M', 'HEAD~1'])).stdout;
  const { tree } = await applySeries(base, [series(`${mail}\n`)], context);
  t.is(tree.content, (await git(work, ['rev-parse', 'HEAD^{tree}'])).stdout);
  t.deepEqual(tree.patches[0]?.files, ['Makefile', 'fs/Kconfig', 'fs/a.c', 'fs/b.c', 'logo']);
});

test('a file whose name is not ASCII is named as it is', async (t) => {
  const { base, context } = await setup(t);
  const { tree } = await applySeries(base, [series(add('fs/ö.c', 'x'))], context);
  t.deepEqual(tree.patches[0]?.files, ['fs/ö.c']);
});

test('a patch that does not apply is named with its file and hunk', async (t) => {
  const { base, context } = await setup(t);
  const wrong = edit(12, 'twelve').replace('-line 12', '-line dozen');
  const error = await refused(t, base, context, edit(5, 'five'), wrong, edit(7, 'seven'));
  t.is(
    error.message,
    's: 0002.patch does not apply: fs/a.c, hunk @@ -9,7 +9,7 @@: the context does not match, the file has no line "line dozen"; an earlier patch ("change line 5") changed it last',
  );
  t.is(error.details.patch, '0002.patch');
  t.is(error.details.series, 's');
  t.is(error.details.file, 'fs/a.c');
  t.is(error.details.hunk, '@@ -9,7 +9,7 @@');
  t.regex(error.details.output ?? '', /patch failed: fs\/a\.c:9/);
});

test('a patch for a file that is not there, or that is there already, is named', async (t) => {
  const { base, context } = await setup(t);
  const absent = await refused(t, base, context, edit(5, 'five').replaceAll('fs/a.c', 'fs/gone.c'));
  t.is(absent.message, 's: 0001.patch does not apply: fs/gone.c: does not exist in index');
  const twice = await refused(t, base, context, add('fs/a.c', 'again'));
  t.is(twice.message, 's: 0001.patch does not apply: fs/a.c: already exists in index');
});

test('a path that leads outside the tree is refused', async (t) => {
  const { base, context, dir } = await setup(t);
  for (const path of ['../outside', 'fs/../../outside', '.git/hooks/pre-commit', '.git/config']) {
    const error = await refused(t, base, context, add(path, 'evil'));
    t.is(error.details.patch, '0001.patch');
    t.regex(error.message, /the path leads outside the tree/, path);
  }
  // With types it does not follow links: user/up leads round and round.
  const all = await readdir(dir, { recursive: true, withFileTypes: true });
  t.true(all.some(({ name }) => name === 'a.c'));
  t.deepEqual(
    all.filter(({ name }) => /outside|pre-commit$/.test(name)),
    [],
  );
});

test('a symbolic link of a patch does not lead the next one outside', async (t) => {
  const { base, context, dir } = await setup(t);
  const link = add('fs/out', dir)
    .replace('100644', '120000')
    .replace(/\n$/, '\n\\ No newline at end of file\n');
  const error = await refused(t, base, context, link, add('fs/out/evil', 'evil'));
  t.is(error.details.patch, '0002.patch');
  t.regex(error.details.output ?? '', /beyond a symbolic link/);
  t.false((await readdir(dir)).includes('evil'));
});

test('a symbolic link of the base does not lead a patch outside', async (t) => {
  const { base, context, dir } = await setup(t);
  const error = await refused(t, base, context, add('up/evil', 'evil'));
  t.regex(error.details.output ?? '', /beyond a symbolic link/);
  t.false((await readdir(dir)).includes('evil'));
});

test('a patch that no base takes is to be corrected, and a sender without an address is named', async (t) => {
  const { base, context } = await setup(t);
  const outside = await refused(t, base, context, add('../outside', 'evil'));
  t.regex(outside.hint, /^correct the patch/);
  for (const from of ['From: Ann\n', 'From: <>\n']) {
    const error = await t.throwsAsync<KilnError>(
      applySeries(base, [series(add('fs/n.c', 'n').replace(/^From: .*\n/, from))], context),
    );
    t.is(error.code, 'bad-input');
    t.regex(error.message, /^s: 0001\.patch can't be read: .*ident name/);
    t.regex(error.hint, /From:/);
  }
});

test('a mail without a diff is named', async (t) => {
  const { base, context } = await setup(t);
  const empty = edit(7, 'seven').replace(/^diff [\s\S]*/m, '');
  const error = await refused(t, base, context, edit(5, 'five'), empty);
  t.regex(error.message, /^s: 0002\.patch does not apply: (there is no diff in it|No valid patches)/);
});

test('a file of words is named, first in the series or not', async (t) => {
  const { base, context } = await setup(t);
  const later = await refused(t, base, context, edit(5, 'five'), 'these are words\n');
  t.regex(later.message, /^s: 0002\.patch does not apply: (there is no diff in it|No valid patches)/);
  const first = await refused(t, base, context, 'these are words\n', edit(5, 'five'));
  t.regex(first.message, /^s: 0001\.patch does not apply: (there is no diff in it|No valid patches)/);
});

test('a damaged patch is named', async (t) => {
  const { base, context } = await setup(t);
  const cut = edit(5, 'five').split('\n').slice(0, -4).join('\n');
  const error = await refused(t, base, context, edit(12, 'twelve'), `${cut}\n`);
  t.is(error.details.patch, '0002.patch');
  t.regex(error.message, /^s: 0002\.patch is damaged: the patch ends in the middle of a hunk/);
});

test('after a refusal the same series, put right, applies', async (t) => {
  const { base, context } = await setup(t);
  await refused(t, base, context, edit(5, 'five'), edit(12, 'x').replace('-line 12', '-line dozen'));
  await t.notThrowsAsync(applySeries(base, [series(edit(5, 'five'), edit(12, 'x'))], context));
});

test('runs at once on one repository do not get in each other’s way', async (t) => {
  const { base, context } = await setup(t);
  const trees = await Promise.all(
    [5, 6, 7, 7, 7].map((line) => applySeries(base, [series(edit(line, 'x'))], context)),
  );
  t.is(new Set(trees.map(({ tree }) => tree.commit)).size, 3);
});

test('200 patches take about ten times as long as 20, not a hundred times', async (t) => {
  const { base, context } = await setup(t);
  const apply = async (count: number) => {
    const many = Array.from({ length: count }, (_, index) => add(`fs/${index}.c`, `file ${index}`));
    const started = performance.now();
    const { tree } = await applySeries(base, [series(...many)], context);
    t.deepEqual(tree.patches[count - 1]?.files, [`fs/${count - 1}.c`]);
    return performance.now() - started;
  };
  const few = await apply(20);
  t.true((await apply(200)) < 40 * few);
});

test('an abort ends the applying, leaves nothing behind and is an interruption', async (t) => {
  const { base, context } = await setup(t);
  const controller = new AbortController();
  const stopping = { ...context, signal: controller.signal, progress: () => controller.abort() };
  const error = await t.throwsAsync(applySeries(base, [series(edit(5, 'five'))], stopping));
  t.is(asKilnError(error).code, 'interrupted');
  t.deepEqual(await readdir(join(context.cache, 'scratch')), []);
});

test('the last patch to touch a file is the one that answers for it', (t) => {
  const patch = (file: string, files: string[]) => ({ series: 's', file, subject: '', commit: '', files });
  const last = lastToTouch({ patches: [patch('1', ['a', 'b']), patch('2', ['b', 'c'])] });
  t.deepEqual(
    [...last].map(([file, { file: name }]) => `${file} ${name}`),
    ['a 1', 'b 2', 'c 2'],
  );
});

/** Applies what must not apply: does-not-apply is thrown, and nothing is left behind. */
/** A mail in ISO-8859-1 as a series of its own. */
function latin(text: string, mailer = 'Other 1.0'): Series {
  const headers = `Content-Type: text/plain; charset=iso-8859-1\nX-Mailer: ${mailer}\n`;
  const content = Buffer.from(text.replace('Subject:', `${headers}Subject:`), 'latin1');
  return fromMails('s', 's', [{ envelope: '', content }], {}).series;
}

test('bytes of another charset survive as in git, and elsewhere if the base has them', async (t) => {
  const { base, context } = await setup(t);
  const has = async (commit: string, path: string, text: string) => {
    const bytes = Buffer.from(text, 'latin1');
    const hash = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
    t.is((await git(base.gitDir, ['rev-parse', `${commit}:${path}`])).stdout, hash);
  };
  const sent = latin(add('fs/sent.c', 'K\xf6ln'), 'git-send-email 2.39.5');
  const made = series(add('fs/utf8.c', 'Köln'));
  const sentTree = (await applySeries(base, [sent], context)).tree;
  await has(sentTree.commit, 'fs/sent.c', 'K\xf6ln\n');
  t.deepEqual([sent.warnings, sentTree.warnings], [[], []]);

  const change = (file: string) => mail('change', hunk(file, '@@ -1 +1,2 @@', ' K\xf6ln', '+Stra\xdfe'));
  const raw = latin(change('fs/sent.c'));
  const rawTree = (await applySeries(base, [sent, raw], context)).tree;
  await has(rawTree.commit, 'fs/sent.c', 'K\xf6ln\nStra\xdfe\n');
  t.deepEqual(rawTree.warnings, [
    's: 0001-change.patch applies to this base only with the bytes of its diff as they were sent',
  ]);

  const converted = latin(change('fs/utf8.c'), 'git-send-email 2.39.5');
  const convertedTree = (await applySeries(base, [made, converted], context)).tree;
  t.is(await show(base, convertedTree.commit, 'fs/utf8.c'), 'Köln\nStraße');
  t.deepEqual(convertedTree.warnings, [
    's: 0001-change.patch applies to this base only with its diff converted from iso-8859-1 to UTF-8',
  ]);
  const neither = applySeries(base, [latin(change('fs/a.c'))], context);
  t.is((await t.throwsAsync<KilnError>(neither)).details.cause, 'context-differs');
});

test('what git format-patch writes in another encoding gives the tree that it is made from', async (t) => {
  const { base, context, dir } = await setup(t);
  const user = join(dir, 'user');
  const out = join(dir, 'out');
  const commitLatin = async (text: string) => {
    await writeFile(join(user, 'fs', 'l.c'), text, 'latin1');
    await writeFile(join(dir, 'message'), 'fs: K\xf6ln\n\nStra\xdfe.\n', 'latin1');
    await git(user, ['add', '.']);
    await git(user, [
      '-c',
      'i18n.commitEncoding=ISO-8859-1',
      'commit',
      '--quiet',
      '-F',
      join(dir, 'message'),
    ]);
  };
  await commitLatin('K\xf6ln\n');
  await commitLatin('K\xf6ln\nStra\xdfe\n');
  const format = ['-c', 'i18n.logOutputEncoding=ISO-8859-1', 'format-patch', '--quiet', '-o', out, commit];
  await git(user, format);
  const found = await readSeries(out, '/nowhere');
  const { tree } = await applySeries(base, [found], context);
  t.is(tree.content, (await git(user, ['rev-parse', 'HEAD^{tree}'])).stdout);
  t.deepEqual([tree.patches[0]!.subject, tree.warnings, found.warnings], ['fs: Köln', [], []]);
});

async function refused(
  t: ExecutionContext,
  base: Base,
  context: Context,
  ...mails: string[]
): Promise<KilnError> {
  const error = await t.throwsAsync<KilnError>(applySeries(base, [series(...mails)], context), {
    instanceOf: KilnError,
  });
  t.is(error.code, 'does-not-apply');
  t.deepEqual(await readdir(join(context.cache, 'scratch')), []);
  t.false((await readdir(context.cache)).includes('trees'));
  return error;
}

async function show(base: Base, commit: string, path: string): Promise<string> {
  return (await git(base.gitDir, ['show', `${commit}:${path}`])).stdout;
}

test('each line is known by the patch that changed it last', async (t) => {
  const { base, context } = await setup(t);
  const patches = series(edit(5, 'five'), add('fs/new.c', 'new', 'newer'), edit(15, 'fifteen'));
  const { tree } = await applySeries(base, [patches], context);
  const places = [
    { file: 'fs/a.c', line: 5 },
    { file: 'fs/a.c', line: 15 },
    { file: 'fs/a.c', line: 6 },
    { file: 'fs/new.c', line: 2 },
    { file: 'Makefile', line: 1 },
    { file: '../outside', line: 1 },
  ];
  t.deepEqual(
    [...(await blameLines(tree, [...places, ...places], context))],
    [
      ['fs/a.c:5', '0001.patch'],
      ['fs/a.c:15', '0003.patch'],
      ['fs/new.c:2', '0002.patch'],
    ],
  );
  t.is((await blameLines(tree, [{ file: 'fs/a.c', line: 999 }], context)).size, 0);
  const untouched = await applySeries(base, [], context);
  t.is((await blameLines(untouched.tree, places, context)).size, 0);
});

function series(...mails: string[]): Series {
  const patches = mails.map((mail, index) =>
    barePatch(`${String(index + 1).padStart(4, '0')}.patch`, Buffer.from(mail)),
  );
  return bareSeries('s', 's', patches);
}

const lines = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`);

/** A mail that changes one line of fs/a.c. */
function edit(line: number, to: string): string {
  const around = (from: number, until: number) => lines.slice(from, until).map((text) => ` ${text}\n`);
  const hunk = [...around(line - 4, line - 1), `-line ${line}\n+${to}\n`, ...around(line, line + 3)].join('');
  const header = `@@ -${line - 3},7 +${line - 3},7 @@\n`;
  return mail(
    `change line ${line}`,
    `diff --git a/fs/a.c b/fs/a.c\n--- a/fs/a.c\n+++ b/fs/a.c\n${header}${hunk}`,
  );
}

function hunk(path: string, ...text: string[]): string {
  return `diff --git a/${path} b/${path}\n--- a/${path}\n+++ b/${path}\n${text.map((one) => `${one}\n`).join('')}`;
}

/** A mail that adds a file. */
function add(path: string, ...text: string[]): string {
  const head = `diff --git a/${path} b/${path}\nnew file mode 100644\n--- /dev/null\n+++ b/${path}\n`;
  const count = text.length === 1 ? '+1' : `+1,${text.length}`;
  return mail(`add ${path}`, `${head}@@ -0,0 ${count} @@\n${text.map((one) => `+${one}\n`).join('')}`);
}

function mail(subject: string, diff: string): string {
  const header = 'From: Ann <ann@example.org>\nDate: Fri, 2 Jan 2026 03:04:05 +0100\n';
  return `${header}Subject: [PATCH] ${subject}\n\nBecause.\n---\n${diff}`;
}

function bare(text: string): string {
  return text.replace(/^[\s\S]*?(?=^diff --git)/m, '');
}

/** What each test has a copy of: a user's repository and a bare clone of it. */
let original: string;
let commit: string;
test.before(async () => {
  original = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  const user = join(original, 'user');
  await mkdir(join(user, 'fs'), { recursive: true });
  await writeFile(join(user, 'Makefile'), 'all:\n');
  await writeFile(join(user, 'fs', 'a.c'), `${lines.join('\n')}\n`);
  await writeFile(join(user, 'fs', 'Kconfig'), 'config EXT4_FS\n\tbool "x"\nconfig 64BIT\n\tbool\n');
  await symlink('..', join(user, 'up'));
  const fixed = { GIT_AUTHOR_DATE: '@0 +0000', GIT_COMMITTER_DATE: '@0 +0000' };
  await git(user, ['init', '--quiet', '--template=']);
  await git(user, ['add', '.']);
  await git(user, ['commit', '--quiet', '--message', 'base'], { env: fixed });
  await git(original, ['clone', '--quiet', '--bare', '--template=', user, 'repo.git']);
  commit = (await git(user, ['rev-parse', 'HEAD'])).stdout;
});
test.after.always(() => rm(original, { recursive: true, force: true }));

async function setup(t: ExecutionContext): Promise<{ base: Base; context: Context; dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  await cp(original, dir, { recursive: true, verbatimSymlinks: true });
  const gitDir = join(dir, 'repo.git');
  const base = { source: 'tar:x', version: 'x', sha256: null, commit, gitDir };
  return { base, context: quietContext(join(dir, 'cache')), dir };
}
