// SPDX-License-Identifier: MIT
import test from 'ava';
import { findDamage } from './damage.ts';

const head = ['diff --git a/a.c b/a.c', '--- a/a.c', '+++ b/a.c', '@@ -7,4 +7,4 @@ int f(void)'];
const hunk = [' struct s {', '-\tint x;', '+\tlong x;', ' };', ' int wide(int first, int second);'];
const signature = ['-- ', '2.39.5', ''];

test('a whole patch has no damage', (t) => {
  const none = (...lines: string[]) => t.is(findDamage(lines.join('\n')), undefined);
  none(...head, ...hunk);
  none(...head, ...hunk, ...signature);
  none(...head, ...hunk, '\\ No newline at end of file', '');
  none(...head, ...hunk, ...head, ...hunk, '', 'base-commit: 0123456789');
  none(...head, ' struct s {', '', '-x', '+y', ' ', '');
  none('diff --git a/a b/b', 'rename from a', 'rename to b', '');
  none('diff --git a/a b/a', 'GIT binary patch', 'literal 3', 'Kcmb', '');
  none('--- /dev/null', '+++ b/a', '@@ -0,0 +1 @@', '+x', '--- a/b', '+++ b/b', '@@ -1 +0,0 @@', '-x', '');
  none('');
});

test('a line that ends with CR is a line like any other', (t) => {
  t.is(findDamage([...head, ...hunk, ''].join('\r\n')), undefined);
});

test('a wrapped line is found', (t) => {
  const damage = findDamage(
    [...head, ' int wide(int first,', 'int second);', ...hunk.slice(1), ...signature].join('\n'),
  );
  t.deepEqual(damage, {
    line: 6,
    text: 'int second);',
    kind: 'no-line',
  });
});

test('a wrapped hunk header is found', (t) => {
  const damage = findDamage([...head, 'struct inode *inode)', ...hunk, ''].join('\n'));
  t.is(damage?.line, 5);
  t.is(damage?.kind, 'no-line');
});

test('a wrapped line whose rest looks like a line of a patch is found after the hunk', (t) => {
  const wrapped = [' int wide(int first,', ' int second);', ...hunk.slice(0, 4)];
  const damage = findDamage([...head, ...wrapped, ...signature].join('\n'));
  t.is(damage?.text, ' };');
  t.is(damage?.kind, 'extra-line');
});

test('a wrapped last line of a hunk is found whatever its rest begins with', (t) => {
  for (const rest of ['rest', '\trest', '// rest', '1 rest'])
    t.is(findDamage(`@@ -1 +1,2 @@\n one\n+a long\n${rest}\n-- \n2.39\n`)?.kind, 'extra-line', rest);
  for (const next of [
    '',
    '-- \n2.39',
    '--- a/x',
    '@@ -9 +9 @@\n-x\n+y',
    'diff --git a/x b/x',
    'Index: x',
    '\\ No newline',
  ])
    t.is(findDamage(`@@ -1 +1,2 @@\n one\n+a long\n${next}\n`), undefined, next);
});

test('a patch that was cut off is found, with and without a signature', (t) => {
  const cut = findDamage([...head, ...hunk.slice(0, 3), '', ''].join('\n'));
  t.deepEqual(cut, { line: 7, text: '+\tlong x;', kind: 'cut-off' });
  const signed = findDamage([...head, ...hunk.slice(0, 3), ...signature].join('\n'));
  t.is(signed?.text, '-- ');
  t.is(signed?.kind, 'lines-missing');
  const another = findDamage([...head, ...hunk.slice(0, 3), ...head, ...hunk].join('\n'));
  t.is(another?.text, head[0]);
  t.is(another?.kind, 'lines-missing');
});
