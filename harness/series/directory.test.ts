// SPDX-License-Identifier: MIT
// Which files of a directory are the series, and what is said of the others.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import type { KilnError } from '../errors.ts';
import { addsFile, clearsigned, type MadeMail, madeBox, madeMail } from '../testing/mails.ts';
import { namePrerequisite } from './prerequisite.ts';
import { inspectSeries, type ReadOptions } from './series.ts';

/** What is taken of a directory with these files: titles, what is left out, what is said, what is refused. */
async function read(
  t: ExecutionContext,
  files: Record<string, string | Buffer | MadeMail>,
  options: ReadOptions = {},
) {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    const isRaw = typeof content === 'string' || Buffer.isBuffer(content);
    await writeFile(join(dir, path), isRaw ? content : madeMail(content));
  }
  const { series, refusal } = await inspectSeries(dir, '/nowhere', options).catch((error: KilnError) => ({
    series: undefined,
    refusal: error,
  }));
  return {
    titles: series?.patches.map(({ file, subject }) => subject.replace(/^\[.*\] /, '') || file).join(' '),
    left: series?.leftOut.map(({ subject, reason }) => `${subject}: ${reason}`),
    warnings: series?.warnings,
    base: series?.baseCommit,
    changeId: series?.changeId,
    prerequisites: series?.prerequisites.map(namePrerequisite),
    refused: refusal?.message.replaceAll(dir, 'DIR'),
    code: refusal?.code,
    hint: refusal?.hint,
  };
}

const one: MadeMail = { subject: '[PATCH 1/2] one' };
const two: MadeMail = { subject: '[PATCH 2/2] two' };
const notRead = 'not read: its name does not end in .patch, .diff or .eml';

test('files that are hidden are none, and those that may be patches are named', async (t) => {
  const found = await read(t, {
    '0001-one.patch': one,
    '0002-two.patch': two,
    '.0001-hidden.patch': one,
    README: 'x',
    '0002-two.patch~': two,
    '0001-one.patch.orig': one,
    'three.PATCH': addsFile('three'),
    'four.mbox': addsFile('four'),
    'sub/0003-x.patch': addsFile('x'),
  });
  t.is(found.titles, 'one two');
  t.deepEqual(
    found.left,
    ['0001-one.patch.orig', '0002-two.patch~', 'four.mbox', 'three.PATCH'].map(
      (name) => `${name}: ${notRead}`,
    ),
  );
});

test('a directory whose files have other names says so', async (t) => {
  const found = await read(t, { '1': one, '2': two });
  t.is(found.refused, 'no patch in DIR');
  t.regex(found.hint!, /ends in \.patch, \.diff or \.eml, but there is 1, 2$/);
});

test('a patch may be compressed, listed or not', async (t) => {
  const packed = gzipSync(addsFile('packed'));
  t.is((await read(t, { 'a.patch': addsFile('a'), 'b.patch.gz': packed })).titles, 'a.patch b.patch.gz');
  t.is((await read(t, { series: 'b.patch.gz\n', 'b.patch.gz': packed })).titles, 'b.patch.gz');
});

test('the commit that a series was made on is that of its cover letter', async (t) => {
  const body = `Hello.\n\nbase-commit: ${'a1'.repeat(20)}\n`;
  const cover = { subject: '[PATCH 0/2] cover', body };
  const files = { '0000-cover-letter.patch': cover, '0001-one.patch': one, '0002-two.patch': two };
  t.is((await read(t, files)).base, 'a1'.repeat(20));
  t.is((await read(t, { ...files, '0003-more.diff': addsFile('x') })).base, 'a1'.repeat(20));
  t.is(
    (await read(t, { '0000-cover-letter.patch': cover, '0001-one.patch': one })).refused,
    'DIR: 2/2 is missing of "cover"',
  );
});

test('the prerequisites of a series are those beside its base-commit, and it has the change-id of b4', async (t) => {
  const [first, second] = ['b2'.repeat(20), 'C3'.repeat(20)];
  const body = [
    `Hello.\n\nbase-commit: ${'a1'.repeat(20)}`,
    'change-id: 20260101-things-0123456789ab',
    'prerequisite-change-id: 20251224-before-0123456789ab:v3',
    'prerequisite-message-id: <before@example.org>',
    `prerequisite-patch-id: ${first}`,
    `prerequisite-patch-id: ${second}  `,
    `The prerequisite-patch-id: ${first} is in a sentence.\n`,
  ].join('\n');
  const named = [
    'prerequisite-change-id 20251224-before-0123456789ab:v3',
    'prerequisite-message-id before@example.org',
    `prerequisite-patch-id ${first}`,
    `prerequisite-patch-id ${second.toLowerCase()}`,
  ];
  const cover = { '0000-cover-letter.patch': { subject: '[PATCH 0/2] cover', body } };
  const stray = { ...one, body: `${addsFile('x')}-- \n\nprerequisite-patch-id: ${first}\n` };
  const mails = { '0001-one.patch': stray, '0002-two.patch': two };
  const changeId = '20260101-things-0123456789ab';
  t.like(await read(t, { ...cover, ...mails }), { prerequisites: named, changeId });
  const others = { ...cover, ...mails, '0003-more.diff': addsFile('y') };
  t.like(await read(t, others), { prerequisites: named, changeId });
  t.like(await read(t, mails), { prerequisites: [], changeId: null });
});

test('mails that a mail program saved are a thread, in the order of their numbers', async (t) => {
  const found = await read(t, {
    '0.eml': { subject: '[PATCH 0/2] cover', file: null },
    'a two.eml': two,
    'b one.eml': one,
    'c.eml': { subject: 'Re: [PATCH 1/2] one', from: 'Bob <bob@example.org>' },
  });
  t.is(found.titles, 'one two');
  t.deepEqual(found.left, ['Re: [PATCH 1/2] one: a reply']);
});

test('2.patch comes before 10.patch', async (t) => {
  const files = Object.fromEntries(
    Array.from({ length: 10 }, (_, n) => [`${n + 1}.patch`, { subject: `[PATCH ${n + 1}/10] ${n + 1}` }]),
  );
  const found = await read(t, files);
  t.is(found.titles, '1 2 3 4 5 6 7 8 9 10');
  t.deepEqual(found.warnings, []);
});

test('names in another order than the subjects are followed, which is said', async (t) => {
  const found = await read(t, { '0001-x.patch': two, '0002-y.patch': one });
  t.is(found.titles, 'two one');
  t.deepEqual(found.warnings, [
    'the files are applied in the order of their names, in which their subjects are 2, 1',
  ]);
});

test('a number that is not there is named, also if no subject has one', async (t) => {
  const found = await read(t, {
    '0001-a.patch': { subject: '[PATCH] a' },
    '0003-b.patch': { subject: '[PATCH] b' },
  });
  t.is(found.titles, 'a b');
  t.deepEqual(found.warnings, ['there is no patch 0002 between the others']);
});

test('of two versions of one patch the newer one is taken', async (t) => {
  const files = { '0001-a.patch': { subject: '[PATCH] a' }, 'v2-0001-a.patch': { subject: '[PATCH v2] a' } };
  const found = await read(t, files);
  t.is(found.titles, 'a');
  t.deepEqual(found.left, ['[PATCH] a: of v1; v2 is newer']);
  t.deepEqual((await read(t, files, { revision: 1 })).left, ['[PATCH v2] a: not of v1']);
});

test('versions that can not be told apart by their subjects are refused', async (t) => {
  const found = await read(t, { '0001-a.patch': addsFile('a'), 'v2-0001-a.patch': addsFile('b') });
  t.is(found.refused, 'DIR holds several versions of a series: v1, v2');
  t.is(found.code, 'bad-input');
});

test('the options of a series file that change what a patch does are refused', async (t) => {
  const files = { 'a.patch': addsFile('a'), 'b#1.patch': addsFile('b') };
  const listed = (series: string) => read(t, { ...files, series });
  t.is((await listed('\ufeffa.patch -p1\nb#1.patch # why\n')).titles, 'a.patch b#1.patch');
  t.is((await listed('a.patch -p 1\n')).titles, 'a.patch');
  for (const option of ['-R', '-p0', '-p2', 'b.patch'])
    t.is(
      (await listed(`a.patch ${option}\n`)).refused,
      `DIR/series: a.patch has ${option}, which Kiln does not apply`,
    );
});

test('a patch that a series file does not list is named', async (t) => {
  const found = await read(t, {
    'a.patch': addsFile('a'),
    'b.patch': addsFile('b'),
    series: '#b.patch\na.patch\n',
  });
  t.deepEqual(found.left, ['b.patch: not in the file "series"']);
});

test('a file that can not be a patch is refused by name, with a hint', async (t) => {
  const several = madeMail(one) + madeMail(two);
  for (const [content, message] of [
    ['', 'is empty'],
    ['<html>', 'is a page, not a mail'],
    [several, 'can\'t be a patch: several mails in one, with no line "From …" between them as in an mbox'],
  ] as const)
    for (const series of [{ series: 'a.patch\n' }, {}]) {
      const found = await read(t, { 'a.patch': content, ...series });
      t.true(found.refused?.endsWith(message), found.refused);
      t.is(found.code, 'bad-input');
      t.not(found.hint, '');
    }
  const box = await read(t, { '0001-one.patch': madeBox([one, two]) });
  t.is(box.refused, 'DIR/0001-one.patch holds more than one mail');
  const found = await read(t, { 'a.patch/x': '' });
  t.is(found.refused, "DIR/a.patch can't be read: EISDIR: illegal operation on a directory");
});

test('a file that is signed in its text (PGP) is read without the signature', async (t) => {
  const signed = (text: string) => madeMail({ subject: '[PATCH] one', body: clearsigned(text) });
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, 'a.patch'), signed(`Why.\n---\n${addsFile('a')}`));
  const { series } = await inspectSeries(dir, '/nowhere');
  t.regex(series.patches[0]!.content.toString(), /^Why\.\n---\ndiff --git.*\n.*\n--- \/dev\/null\n/m);
  const torn = await read(t, { 'a.patch': signed(addsFile('a')).replace('- ---', '---') });
  t.regex(torn.refused!, /^DIR\/a\.patch can't be a patch: signed by PGP, and changed after that/);
  t.is(torn.hint, 'a file is one mail as it was sent, or a diff');
});

test('a series without a name is no directory', async (t) => {
  const error = await t.throwsAsync<KilnError>(inspectSeries('', '/nowhere'));
  t.is(error.code, 'bad-input');
  t.is(error.message, 'the name of the series is empty');
});
