// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import type { KilnError } from '../errors.ts';
import { madeBox, madeMail } from '../testing/mails.ts';
import { processorTime } from '../testing/processorTime.ts';
import { exec } from '../util/exec.ts';
import { readMailbox, splitMbox } from './mailbox.ts';
import { readSeries } from './series.ts';

const two = madeBox([{ subject: '[PATCH 1/2] a' }, { subject: '[PATCH 2/2] b' }]);

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function files(path: string): Promise<string[]> {
  return (await readSeries(path, '/nowhere')).patches.map(({ file }) => file);
}

const expected = ['0001-a.patch', '0002-b.patch'];

test('boxes that are compressed with gzip or xz are read, whatever they are called', async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, 'thread.mbox'), two);
  await writeFile(join(dir, 'thread.mbox.gz'), gzipSync(two));
  await writeFile(join(dir, 't'), gzipSync(two));
  await exec('xz', ['--keep', join(dir, 'thread.mbox')]);
  for (const name of ['thread.mbox', 'thread.mbox.gz', 't', 'thread.mbox.xz'])
    t.deepEqual(await files(join(dir, name)), expected, name);
  t.is((await readSeries(join(dir, 'thread.mbox.xz'), dir)).name, 'thread');
});

test('bytes that are no UTF-8 come out of a compressed box as they are', async (t) => {
  const dir = await scratch(t);
  const bytes = Buffer.from(`From: x\n\n${'\xf6\xff'.repeat(100)}`, 'latin1');
  await writeFile(join(dir, 'a'), bytes);
  await exec('xz', [join(dir, 'a')]);
  t.deepEqual((await readMailbox(join(dir, 'a.xz'), false))[0]!.content, bytes);
});

test('a damaged box, and one that is compressed otherwise, are refused', async (t) => {
  const dir = await scratch(t);
  const refused = async (name: string, content: Buffer, message: RegExp) => {
    await writeFile(join(dir, name), content);
    const error = await t.throwsAsync(files(join(dir, name)), { message });
    t.is((error as unknown as { code: string }).code, 'bad-input');
  };
  await refused('cut.gz', gzipSync(two).subarray(0, 100), /can't be unpacked/);
  await writeFile(join(dir, 'cut'), two);
  await exec('xz', [join(dir, 'cut')]);
  await truncate(join(dir, 'cut.xz'), 100);
  await t.throwsAsync(files(join(dir, 'cut.xz')), { message: /can't be unpacked/ });
  await refused('x.bz2', Buffer.from('BZh91AY'), /compressed with bzip2/);
  await refused('x.zst', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]), /compressed with zstd/);
});

test('what is no mail is refused, and the hint says what to get instead', async (t) => {
  const dir = await scratch(t);
  const tar = Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\0'), two]);
  for (const [content, message, hint] of [
    [Buffer.from(`\ufeff${two}`, 'utf16le'), 'in UTF-16', /PowerShell/],
    [Buffer.from(`\ufeff${two}`, 'utf16le').swap16(), 'in UTF-16', /PowerShell/],
    [Buffer.from(`\n<!DOCTYPE html>\n<pre>${two}`), 'a page, not a mail', /t\.mbox\.gz/],
    [Buffer.from(`<html><pre>${two}`), 'a page, not a mail', /t\.mbox\.gz/],
    [tar, 'an archive of files', /unpack/],
    [gzipSync(tar), 'an archive of files', /unpack/],
    [gzipSync(gzipSync(two)), 'compressed twice', /unpack/],
    [Buffer.from(String(two).replaceAll('\n', '\r')), 'in lines that end with CR', /CR LF|LF/],
  ] as const) {
    await writeFile(join(dir, 'x'), content);
    const error = (await t.throwsAsync(files(join(dir, 'x')))) as KilnError;
    t.is(error.message, `${join(dir, 'x')} is ${message}`);
    t.is(error.code, 'bad-input');
    t.regex(error.hint, hint);
  }
});

test('a byte order mark before a box is none of its text', async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, 'x'), `\ufeff${two}`);
  t.deepEqual(await files(join(dir, 'x')), expected);
});

test('a maildir has no hidden files and no directories, and what can not be read is named', async (t) => {
  const dir = await scratch(t);
  for (const sub of ['cur', 'new', 'cur/sub', 'tmp']) await mkdir(join(dir, sub));
  await writeFile(join(dir, 'cur', '.nfs1'), madeMail({ subject: '[PATCH 2/2] hidden' }));
  await writeFile(join(dir, 'cur', '1'), madeMail({ subject: '[PATCH 1/2] a' }));
  await writeFile(join(dir, 'new', '2'), madeMail({ subject: '[PATCH 2/2] b' }));
  t.deepEqual(await files(dir), expected);
  await symlink('/nowhere/else', join(dir, 'new', '3'));
  const error = (await t.throwsAsync(files(dir))) as KilnError;
  t.is(error.code, 'bad-input');
  t.is(error.message, `${join(dir, 'new', '3')} can't be read: ENOENT: no such file or directory`);
  t.not(error.hint, '');
});

test.serial('unpacking fails for what is missing here, not for the box', async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, 'x'), two);
  await exec('xz', [join(dir, 'x')]);
  const path = process.env.PATH;
  t.teardown(() => {
    process.env.PATH = path;
  });
  await symlink((await exec('which', ['setpriv'])).stdout, join(dir, 'setpriv'));
  process.env.PATH = dir;
  const error = (await t.throwsAsync(files(join(dir, 'x.xz')))) as KilnError;
  t.is(error.code, 'infrastructure');
  t.regex(error.message, /xz was not found/);
});

test('a small file that unpacks to more than a box may have is refused', async (t) => {
  const dir = await scratch(t);
  // 1.1 GiB of zeros, in members of 64 MiB.
  const member = gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 1 });
  await writeFile(join(dir, 'bomb.gz'), Buffer.concat(Array.from({ length: 18 }, () => member)));
  await t.throwsAsync(files(join(dir, 'bomb.gz')), { message: /larger than 1 GiB when it is unpacked/ });
});

test('a line like that of an mbox in a message tears no mail', (t) => {
  const torn = madeBox([
    { subject: '[PATCH 1/2] a', body: 'As said:\n\nFrom x Thu Jan  1 00:00:00 1970\nhe wrote\n' },
    { subject: '[PATCH 2/2] b' },
  ]);
  t.is(splitMbox(torn).length, 2);
});

test('mboxrd is unquoted, and no other line begins a mail in it', (t) => {
  const mail = madeMail({ subject: 'a', body: '>From here\n>>From there\nFrom x 00:00\nSubject: b\n' });
  const box = Buffer.from(`From mboxrd@z Thu Jan  1 00:00:00 1970\n${mail}`);
  const mails = splitMbox(Buffer.concat([box, Buffer.from('\n'), box]));
  t.is(mails.length, 2);
  t.regex(mails[0]!.content.toString(), /^From here\n>From there\nFrom x 00:00$/m);
});

test('a file with one mail is a box, also if another mail is attached to it', (t) => {
  const mail = madeMail({ subject: 'a', body: '--b\n\nFrom x Thu Jan  1 00:00:00 1970\nSubject: b\n\nx\n' });
  t.is(splitMbox(Buffer.from(mail)).length, 1);
  t.is(splitMbox(Buffer.from(`\n\n${two}`)).length, 2);
  t.deepEqual(splitMbox(Buffer.alloc(0)), []);
  t.deepEqual(splitMbox(Buffer.from('\n \n')), []);
});

test('a maildir is read by the time of delivery', async (t) => {
  const dir = await scratch(t);
  for (const sub of ['cur', 'new']) await mkdir(join(dir, sub));
  await writeFile(join(dir, 'new', '1700000001.x'), 'Subject: a\n\n');
  await writeFile(join(dir, 'cur', '1700000002.x:2,S'), 'Subject: b\n\n');
  const mails = await readMailbox(dir, true);
  t.deepEqual(
    mails.map(({ content }) => content.toString()),
    ['Subject: a\n\n', 'Subject: b\n\n'],
  );
});

test('a box of thousands of mails is read in seconds', async (t) => {
  const dir = await scratch(t);
  const noise = Array.from({ length: 20_000 }, (_, n) => ({
    subject: `Re: [PATCH 1/2] a ${n}`,
    id: `r${n}`,
    file: null,
  }));
  await writeFile(join(dir, 'x.mbox'), Buffer.concat([two, madeBox(noise)]));
  const begun = processorTime();
  t.deepEqual(await files(join(dir, 'x.mbox')), expected);
  t.true(processorTime() - begun < 60_000);
});
