// SPDX-License-Identifier: MIT
import test from 'ava';
import { barePatch } from '../series/patch.ts';
import { describeConflict } from './conflict.ts';

const patch = [
  'From: Ann <ann@example.org>',
  'Subject: two files',
  '',
  'diff --git a/fs/a.c b/fs/a.c',
  '--- a/fs/a.c',
  '+++ b/fs/a.c',
  '@@ -10,3 +10,4 @@ int a(void)',
  ' x',
  '@@ -40,3 +41,4 @@ int b(void)',
  ' x',
  'diff --git a/fs/b.c b/fs/b.c',
  '--- a/fs/b.c',
  '+++ b/fs/b.c',
  '@@ -10,3 +10,4 @@ int c(void)',
  ' x',
].join('\n');

test('the hunk is found by file and line', (t) => {
  const hunk = (file: string, line: number) => conflict(`error: patch failed: ${file}:${line}`).details.hunk;
  t.is(hunk('fs/a.c', 10), '@@ -10,3 +10,4 @@ int a(void)');
  t.is(hunk('fs/a.c', 40), '@@ -40,3 +41,4 @@ int b(void)');
  t.is(hunk('fs/b.c', 10), '@@ -10,3 +10,4 @@ int c(void)');
  t.is(hunk('fs/b.c', 11), undefined);
});

test('the hunk is found in a patch with CRLF', (t) => {
  const error = conflict('error: patch failed: fs/b.c:10', patch.replaceAll('\n', '\r\n'));
  t.is(error.details.hunk, '@@ -10,3 +10,4 @@ int c(void)');
});

test("the hunk is found in a diff of diff -u, which has times behind the files' names", (t) => {
  const timed = patch.replace(/^((?:---|\+\+\+) .*)$/gm, '$1\t2026-01-02 03:04:05.000000000 +0100');
  t.is(conflict('error: patch failed: fs/b.c:10', timed).details.hunk, '@@ -10,3 +10,4 @@ int c(void)');
});

for (const [output, file, reason] of [
  ['error: patch failed: fs/a.c:10', 'fs/a.c', /: fs\/a\.c, hunk @@ -10,3 .*: the context does not match$/],
  ['error: fs/a.c: does not exist in index', 'fs/a.c', /: fs\/a\.c: does not exist in index$/],
  ['error: fs/a.c: already exists in index', 'fs/a.c', /: fs\/a\.c: already exists in index$/],
  ["error: invalid path '../x'", '../x', /: \.\.\/x: the path leads outside the tree$/],
  ['error: corrupt patch at line 17', undefined, /apply: corrupt patch at line 17$/],
  ['Patch is empty.', undefined, /apply: there is no diff in it$/],
  ['Patch format detection failed.', undefined, /apply: there is no diff in it$/],
  ['\nfatal: something new', undefined, /apply: fatal: something new$/],
  ['', undefined, /apply: git am gave no reason$/],
] as const) {
  test(`git am says: ${output.trim() || 'nothing'}`, (t) => {
    const error = conflict(output);
    t.is(error.code, 'does-not-apply');
    t.regex(error.message, reason);
    t.true(error.message.startsWith('srvfs: 0001-two.patch does not apply'));
    t.is(error.details.file, file);
    t.is(error.details.patch, '0001-two.patch');
    t.is(error.details.series, 'srvfs');
  });
}

test("git's error is the reason, not its advice", (t) => {
  const output =
    'Patch failed at 0001 add up/evil\nWhen you have resolved this problem, run "git am --continue".\n' +
    "error: affected file 'up/evil' is beyond a symbolic link\n";
  t.regex(conflict(output).message, /'up\/evil' is beyond a symbolic link$/);
});

test('a date that is none is no conflict', (t) => {
  const error = conflict('Applying: two files\nfatal: invalid date format: yesterdayish\n');
  t.is(error.code, 'bad-input');
  t.is(error.message, "srvfs: 0001-two.patch can't be read: invalid date format: yesterdayish");
});

test('long output is kept in part', (t) => {
  t.is(conflict('word\n'.repeat(1000)).details.output?.split('\n').length, 40);
});

function conflict(output: string, content = patch) {
  return describeConflict(
    { series: 'srvfs', patch: barePatch('0001-two.patch', Buffer.from(content)) },
    output,
  );
}
