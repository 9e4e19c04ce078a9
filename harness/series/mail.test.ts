// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { asKilnError } from '../errors.ts';
import { mailPatches } from './mail.ts';

test('mails come out with the bytes they had, named by number and subject', async (t) => {
  const patches = await read(t, [patch('1/2', 'fs: add a thing'), patch('2/2', 'fs: use it, (now)')]);
  t.deepEqual(
    patches.map(({ file }) => file),
    ['0001-fs-add-a-thing.patch', '0002-fs-use-it-now.patch'],
  );
  t.regex(patches[0]!.content.toString(), /^\+fs: add a thing$/m);
  t.regex(patches[0]!.content.toString(), /^Date: Thu, 01 Jan 2026/m);
});

test('a cover letter is dropped', async (t) => {
  const cover = mail('[PATCH 0/1] things', 'What it does.\n\n fs/a | 1 +\n 1 file changed\n');
  t.deepEqual(await subjects(t, [cover, patch('1/1', 'one')]), ['one']);
});

test('a cover letter with a line of three dashes is dropped', async (t) => {
  // b4 puts one before the changes since the last version and before the base commit.
  const body = 'What it does.\n\n---\nChanges in v2:\n- better\n\n---\nbase-commit: 0123456789\n';
  t.deepEqual(await subjects(t, [mail('[PATCH 0/1] things', body), patch('1/1', 'one')]), ['one']);
});

test('a reply that quotes a diff is dropped', async (t) => {
  const quoted = diff('one').replace(/^/gm, '> ');
  const reply = mail('Re: [PATCH 1/2] one', `Ann wrote:\n${quoted}\nLooks good.\n`);
  t.deepEqual(await subjects(t, [patch('1/2', 'one'), reply, patch('2/2', 'two')]), ['one', 'two']);
});

test('a reply with a diff of its own is dropped', async (t) => {
  const reply = mail('Re: [PATCH 1/2] one', `How about this on top?\n\n${diff('other')}`);
  t.deepEqual(await subjects(t, [patch('1/2', 'one'), reply, patch('2/2', 'two')]), ['one', 'two']);
});

test('mails that came in any order are put in the order of their numbers', async (t) => {
  const mails = ['10/10', '2/10', '1/10', '9/10'].map((place) => patch(place, `no ${place.split('/')[0]}`));
  t.deepEqual(await subjects(t, mails), ['no 1', 'no 2', 'no 9', 'no 10']);
});

test('where a number is missing the order of the mailbox stands', async (t) => {
  const mails = [patch('2/2', 'b'), mail('[PATCH] a', diff('a'))];
  t.deepEqual(await subjects(t, mails), ['b', 'a']);
});

test('a mailbox with CRLF is read like one without', async (t) => {
  const mails = [patch('1/2', 'one'), patch('2/2', 'two')];
  const plain = await read(t, mails);
  const crlf = await read(
    t,
    mails.map((text) => text.replaceAll('\n', '\r\n')),
  );
  t.deepEqual(crlf, plain);
});

test('an encoded subject and an encoded body are understood', async (t) => {
  const body = Buffer.from(diff('x')).toString('base64');
  const encoded = mail('=?UTF-8?q?=5BPATCH_1/1=5D_K=C3=B6ln?=', body).replace(
    'Content-Transfer-Encoding: 8bit',
    'Content-Transfer-Encoding: base64',
  );
  const patches = await read(t, [encoded]);
  t.is(patches.length, 1);
  t.regex(patches[0]!.file, /^0001-K-?ln\.patch$/);
});

test('a maildir is read like a mailbox', async (t) => {
  const dir = await scratch(t);
  for (const sub of ['cur', 'new', 'tmp']) await mkdir(join(dir, 'box', sub), { recursive: true });
  await writeFile(join(dir, 'box/cur/1700000001.a:2,S'), patch('1/2', 'one').replace(/^From .*\n/, ''));
  await writeFile(join(dir, 'box/new/1700000002.b'), patch('2/2', 'two').replace(/^From .*\n/, ''));
  await writeFile(join(dir, 'box/tmp/1700000003.c'), 'half writ');
  t.deepEqual(
    (await mailPatches(join(dir, 'box'))).map(({ file }) => file),
    ['0001-one.patch', '0002-two.patch'],
  );
});

test('what is no mailbox is refused', async (t) => {
  const dir = await scratch(t);
  await t.throwsAsync(mailPatches(join(dir, 'absent.mbox')), { message: /no mailbox that git can read/ });
});

test.serial('no scratch directory stays behind', async (t) => {
  const before = process.env.TMPDIR;
  const dir = await scratch(t);
  t.teardown(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  process.env.TMPDIR = dir;
  await writeFile(join(dir, 'x.mbox'), patch('1/1', 'x'));
  await mailPatches(join(dir, 'x.mbox'));
  await t.throwsAsync(mailPatches(join(dir, 'absent.mbox')));
  t.deepEqual(await readdir(dir), ['x.mbox']);
});

test('an abort is an interruption and no fault of the mailbox', async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, 'x.mbox'), patch('1/1', 'x'));
  const error = await t.throwsAsync(mailPatches(join(dir, 'x.mbox'), AbortSignal.abort()));
  t.is(asKilnError(error).code, 'interrupted');
});

function diff(word: string): string {
  return `diff --git a/${word[0]} b/${word[0]}\nnew file mode 100644\n--- /dev/null\n+++ b/${word[0]}\n@@ -0,0 +1 @@\n+${word}\n`;
}

function patch(place: string, subject: string): string {
  return mail(`[PATCH v2 ${place}] ${subject}`, `Because.\n---\n a | 1 +\n\n${diff(subject)}-- \n2.39.5\n`);
}

function mail(subject: string, body: string): string {
  return [
    'From ann@example.org Thu Jan  1 00:00:00 2026',
    'From: Ann <ann@example.org>',
    'Date: Thu, 01 Jan 2026 00:00:00 +0000',
    `Subject: ${subject}`,
    'Content-Type: text/plain; charset=UTF-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    `${body}\n`,
  ].join('\n');
}

async function read(t: ExecutionContext, mails: string[]) {
  const box = join(await scratch(t), 'x.mbox');
  await writeFile(box, mails.join(''));
  return mailPatches(box);
}

/** File names without number and ending, as words. */
async function subjects(t: ExecutionContext, mails: string[]): Promise<string[]> {
  return (await read(t, mails)).map(({ file }) => file.replace(/^\d{4}-|\.patch$/g, '').replaceAll('-', ' '));
}

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
