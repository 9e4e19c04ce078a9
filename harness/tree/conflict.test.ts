// SPDX-License-Identifier: MIT
import test from 'ava';
import { barePatch, namePatch } from '../series/patch.ts';
import { bareSeries } from '../series/series.ts';
import { findFault, lineOf, readRejection, refusal } from './conflict.ts';

/** Three lines of the old file, four of the new one. */
const body = [' x', '-old', '+new', '+newer', ' '];

const patch = [
  'From: Ann <ann@example.org>',
  'Subject: two files',
  '',
  'diff --git a/fs/a.c b/fs/a.c',
  '--- a/fs/a.c',
  '+++ b/fs/a.c',
  '@@ -10,3 +10,4 @@ int a(void)',
  ...body,
  '@@ -40,3 +41,4 @@ int b(void)',
  ...body,
  'diff --git a/fs/b.c b/fs/b.c',
  '--- a/fs/b.c',
  '+++ b/fs/b.c',
  '@@ -10,3 +10,4 @@ int c(void)',
  ...body,
].join('\n');

test('the hunk is found by file and line, with the lines that it wants', (t) => {
  const hunk = (file: string, line: number) => readRejection(`error: patch failed: ${file}:${line}`, patch);
  t.is(hunk('fs/a.c', 10).hunk, '@@ -10,3 +10,4 @@ int a(void)');
  t.is(hunk('fs/a.c', 40).hunk, '@@ -40,3 +41,4 @@ int b(void)');
  t.is(hunk('fs/b.c', 10).hunk, '@@ -10,3 +10,4 @@ int c(void)');
  t.is(hunk('fs/b.c', 11).hunk, undefined);
  t.deepEqual(hunk('fs/a.c', 40).wanted, [
    { line: 14, text: 'x' },
    { line: 15, text: 'old' },
    { line: 18, text: '' },
  ]);
});

test('the hunk is found in a patch with CRLF', (t) => {
  const crlf = patch.replaceAll('\n', '\r\n');
  t.is(readRejection('error: patch failed: fs/b.c:10', crlf).hunk, '@@ -10,3 +10,4 @@ int c(void)');
});

test("the hunk is found in a diff of diff -u, which has times behind the files' names", (t) => {
  const timed = patch.replace(/^((?:---|\+\+\+) .*)$/gm, '$1\t2026-01-02 03:04:05.000000000 +0100');
  t.is(readRejection('error: patch failed: fs/b.c:10', timed).hunk, '@@ -10,3 +10,4 @@ int c(void)');
});

for (const [output, file, reason] of [
  ['error: patch failed: fs/a.c:10', 'fs/a.c', 'the context does not match'],
  ['error: fs/a.c: does not exist in index', 'fs/a.c', 'does not exist in index'],
  ['error: fs/a.c: already exists in index', 'fs/a.c', 'already exists in index'],
  ["error: invalid path '../x'", '../x', 'the path leads outside the tree'],
  ['error: ../x: does not exist in index', '../x', 'the path leads outside the tree'],
  ['error: fs/../../x: does not exist in index', 'fs/../../x', 'the path leads outside the tree'],
  ['error: corrupt patch at line 17', undefined, 'corrupt patch at line 17'],
  [
    "Patch failed at 0001\nerror: affected file 'up/evil' is beyond a symbolic link\n",
    'up/evil',
    "affected file 'up/evil' is beyond a symbolic link",
  ],
  ['\nfatal: something new', undefined, 'fatal: something new'],
  ['', undefined, 'git am gave no reason'],
] as const) {
  test(`git am says: ${output.trim() || 'nothing'}`, (t) => {
    const where = readRejection(output, patch);
    t.is(where.file, file);
    t.is(where.reason, reason);
  });
}

for (const output of [
  'Patch is empty.',
  'Patch format detection failed.',
  'error: No valid patches in input',
])
  test(`a mail without a diff is no conflict with the base: ${output}`, (t) => {
    const error = findFault(conflict(output))!;
    t.is(error.message, 'srvfs: 0001-two.patch does not apply: there is no diff in it');
    t.is(error.code, 'does-not-apply');
    t.is(error.details.cause, 'no-diff');
  });

test('a date that is none is no conflict', (t) => {
  const error = findFault(conflict('Applying: two files\nfatal: invalid date format: yesterdayish\n'))!;
  t.is(error.code, 'bad-input');
  t.is(error.message, "srvfs: 0001-two.patch can't be read: invalid date format: yesterdayish");
});

test('a whole patch with a date has no fault', (t) => {
  t.is(findFault(conflict('error: patch failed: fs/a.c:10')), undefined);
});

test('a name has the version and the place that the subject has', (t) => {
  const name = (subject: string) => namePatch({ ...barePatch('0002-x.patch', Buffer.of()), subject });
  t.is(name('[PATCH v2 2/5] fs: x'), '0002-x.patch (v2 2/5)');
  t.is(name('[PATCH 2/5] fs: x'), '0002-x.patch (2/5)');
  t.is(name('[PATCH net-next V3] fs: x'), '0002-x.patch (v3)');
  t.is(name('[list] [RFC][PATCH v4 02/12] fs: x [2/3]'), '0002-x.patch (v4 02/12)');
  t.is(name('[PATCH] fs: x 1/2'), '0002-x.patch');
  t.is(name('fs: x'), '0002-x.patch');
});

test('lines are counted after the header of the mail, or from the diff on if the mail is encoded', (t) => {
  const mail = patch.replace('\n\n', '\n\nBecause.\n---\n');
  const diff = patch.slice(patch.indexOf('diff --git'));
  t.is(lineOf({ ...conflict('', mail), diff }, 4), 6);
  t.is(lineOf({ ...conflict('', mail.replaceAll('\n', '\r\n')), diff }, 4), 6);
  t.is(lineOf({ ...conflict('', mail.replace(/^[\s\S]*?\n\n/, '')), diff }, 4), 6);
  t.is(lineOf({ ...conflict('', Buffer.from(mail).toString('base64')), diff }, 4), 4);
});

test('an error names series, patch, cause and place, and has a part of the output', (t) => {
  const where = { file: 'fs/a.c', hunk: '@@ -1 +1 @@', reason: '' };
  const error = refusal(conflict('word\n'.repeat(1000)), 'context-differs', 'does not', { hint: 'h', where });
  const { output, ...details } = error.details;
  t.deepEqual(details, {
    series: 'srvfs',
    patch: '0001-two.patch',
    cause: 'context-differs',
    file: 'fs/a.c',
    hunk: '@@ -1 +1 @@',
  });
  t.is(output?.split('\n').length, 40);
});

function conflict(output: string, content = patch) {
  const one = barePatch('0001-two.patch', Buffer.from(content));
  return { series: bareSeries('srvfs', '', [one]), patch: one, output, diff: content };
}
