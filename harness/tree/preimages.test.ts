// SPDX-License-Identifier: MIT
import test from 'ava';
import { preimagesOf } from './preimages.ts';

const patch = (file: string, from: string, to: string) =>
  `diff --git a/${file} b/${file}\nindex ${from}..${to} 100644\n--- a/${file}\n+++ b/${file}\n@@ -1 +1 @@\n-a\n+b\n`;
const adds = (file: string, to: string) =>
  `diff --git a/${file} b/${file}\nnew file mode 100644\nindex 0000000..${to}\n--- /dev/null\n+++ b/${file}\n@@ -0,0 +1 @@\n+b\n`;
const renames = (from: string, to: string, rest = '') =>
  `diff --git a/${from} b/${to}\nsimilarity index 100%\nrename from ${from}\nrename to ${to}\n${rest}`;
const of = (...diffs: string[]) => {
  const { preimages, unknown } = preimagesOf(diffs);
  return { ...Object.fromEntries(preimages), ...(unknown.length > 0 && { unknown }) };
};

test('only the first patch to touch a file says how the series found it', (t) => {
  t.deepEqual(
    of(
      patch('x', '1111111', '2222222') + adds('n', '3333333'),
      patch('x', '2222222', '4444444') + patch('n', '3333333', '5555555'),
      renames('old', 'new', 'index 6666666..7777777 100644\n--- a/old\n+++ b/new\n'),
      patch('new', '7777777', '8888888'),
      'diff --git a/logo b/logo\nindex 9999999..aaaaaaa 100644\nGIT binary patch\n',
    ),
    { x: '1111111', n: null, old: '6666666', logo: '9999999' },
  );
});

test('a file that the series adds must not be there, unless the series made room for it', (t) => {
  t.deepEqual(of(adds('n', '1111111')), { n: null });
  t.deepEqual(of(renames('old', 'new') + adds('old', '1111111')), { old: '' });
  const removes =
    'diff --git a/x b/x\ndeleted file mode 100644\nindex 1111111..0000000\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n';
  t.deepEqual(of(removes, adds('x', '2222222')), { x: '1111111' });
});

test('of a file that keeps its content it is known only that it is there', (t) => {
  t.deepEqual(of('diff --git a/run b/run\nold mode 100644\nnew mode 100755\n'), { run: '' });
  t.deepEqual(of(renames('a b', 'c')), { 'a b': '' });
});

test('a file is named whose diff does not say how the series found it', (t) => {
  const bare = 'diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n';
  t.deepEqual(of(patch('y', '1111111', '2222222'), bare), { y: '1111111', unknown: ['x'] });
  t.deepEqual(of(patch('x', '0000000', '0000000')), { unknown: ['x'] });
  t.deepEqual(of('Why.\n---\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n--- a/y\t2026\n+++ b/y\t2026\n'), {
    unknown: ['x', 'y'],
  });
  const quoted =
    'diff --git "a/\\303\\266" "b/\\303\\266"\nindex 1111111..2222222 100644\n--- "a/\\303\\266"\n+++ "b/\\303\\266"\n';
  t.deepEqual(of(quoted), { unknown: ['diff --git "a/\\303\\266" "b/\\303\\266"'] });
});

test('lines of a message and of hunks are no headers', (t) => {
  const message = 'From: Ann\n\nindex 3333333..4444444\n--- a/message\n---\n';
  const hunk = '@@ -1,2 +1,2 @@\n--- a/hunk\n+++ b/hunk\n-index 5555555..6666666\n';
  t.deepEqual(of(message + patch('x', '1111111', '2222222') + hunk), { x: '1111111' });
});
