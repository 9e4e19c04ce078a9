// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { asKilnError } from '../errors.ts';
import { readSeries } from './series.ts';

test('patches come out with their diff, date and message, named by number and subject', async (t) => {
  const patches = await read(t, [patch('1/2', 'fs: add a thing'), patch('2/2', 'fs: use it, (now)')]);
  t.deepEqual(
    patches.map(({ file }) => file),
    ['v2-0001-fs-add-a-thing.patch', 'v2-0002-fs-use-it-now.patch'],
  );
  t.regex(patches[0]!.content.toString(), /^\+fs: add a thing$/m);
  t.regex(patches[0]!.content.toString(), /^Date: Thu, 01 Jan 2026/m);
});

test('a cover letter is dropped', async (t) => {
  const cover = mail('[PATCH v2 0/1] things', 'What it does.\n\n fs/a | 1 +\n 1 file changed\n');
  t.deepEqual(await subjects(t, [cover, patch('1/1', 'one')]), ['one']);
});

test('a cover letter with a line of three dashes is dropped', async (t) => {
  // b4 puts one before the changes since the last version and before the base commit.
  const body = 'What it does.\n\n---\nChanges in v2:\n- better\n\n---\nbase-commit: 0123456789\n';
  t.deepEqual(await subjects(t, [mail('[PATCH v2 0/1] things', body), patch('1/1', 'one')]), ['one']);
});

test('a reply that quotes a diff is dropped', async (t) => {
  const quoted = diff('one').replace(/^/gm, '> ');
  const reply = mail('Re: [PATCH v2 1/2] one', `Ann wrote:\n${quoted}\nLooks good.\n`);
  t.deepEqual(await subjects(t, [patch('1/2', 'one'), reply, patch('2/2', 'two')]), ['one', 'two']);
});

test('a reply with a diff of its own is dropped', async (t) => {
  const reply = mail('Re: [PATCH v2 1/2] one', `How about this on top?\n\n${diff('other')}`);
  t.deepEqual(await subjects(t, [patch('1/2', 'one'), reply, patch('2/2', 'two')]), ['one', 'two']);
});

test('mails that came in any order are put in the order of their numbers', async (t) => {
  const mails = ['10/10', '2/10', '1/10', '9/10', '8/10', '7/10', '3/10', '4/10', '6/10', '5/10'].map(
    (place) => patch(place, `no ${place.split('/')[0]}`),
  );
  t.deepEqual(
    await subjects(t, mails),
    Array.from({ length: 10 }, (_, index) => `no ${index + 1}`),
  );
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
  t.is(patches[0]!.file, '0001-K-ln.patch');
  t.is(patches[0]!.subject, '[PATCH 1/1] Köln');
});

test('a maildir is read like a mailbox', async (t) => {
  const dir = await scratch(t);
  for (const sub of ['cur', 'new', 'tmp']) await mkdir(join(dir, 'box', sub), { recursive: true });
  await writeFile(join(dir, 'box/cur/1700000001.a:2,S'), patch('1/2', 'one').replace(/^From .*\n/, ''));
  await writeFile(join(dir, 'box/new/1700000002.b'), patch('2/2', 'two').replace(/^From .*\n/, ''));
  await writeFile(join(dir, 'box/tmp/1700000003.c'), 'half writ');
  t.deepEqual(
    (await readSeries(join(dir, 'box'), dir)).patches.map(({ file }) => file),
    ['v2-0001-one.patch', 'v2-0002-two.patch'],
  );
});

test('an abort is an interruption and no fault of the mailbox', async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, 'x.mbox'), patch('1/1', 'x'));
  const error = await t.throwsAsync(readSeries(join(dir, 'x.mbox'), dir, { signal: AbortSignal.abort() }));
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
  return (await readSeries(box, '/nowhere')).patches;
}

/** File names without number and ending, as words. */
async function subjects(t: ExecutionContext, mails: string[]): Promise<string[]> {
  return (await read(t, mails)).map(({ file }) =>
    file.replace(/^(v\d+-)?\d{4}-|\.patch$/g, '').replaceAll('-', ' '),
  );
}

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
