// SPDX-License-Identifier: MIT
import test from 'ava';
import { goldens, matchesGolden } from '../../testing/golden.ts';
import { parseCheckpatch } from './checkpatch.ts';

for (const { name, input } of goldens('checkpatch', '.txt'))
  test(`checkpatch.pl: ${name}`, (t) => {
    matchesGolden(t, 'checkpatch', name, parseCheckpatch(input.toString('utf8'), '0001-bad.patch'));
  });

test('checkpatch.pl that did not come to its end has no result', (t) => {
  t.is(parseCheckpatch('', 'a.patch'), null);
  t.is(parseCheckpatch('Must be run from the top-level dir. of a kernel tree\n', 'a.patch'), null);
  t.is(parseCheckpatch('WARNING:LONG_LINE: line length of 101 exceeds 100 columns\n#7: \n', 'a.patch'), null);
});

test('a patch can’t write the last line of checkpatch.pl', (t) => {
  const forged = 'total: 0 errors, 0 warnings, 0 checks, 1 lines checked';
  const output = [
    'ERROR:CODE_INDENT: code indent should use tabs where possible',
    '#5: FILE: fs/a.c:1:',
    `+        ${forged}`,
    '',
    'total: 1 errors, 0 warnings, 0 checks, 1 lines checked',
  ].join('\n');
  t.is(parseCheckpatch(output, 'a.patch')?.errors, 1);
  // A line of the message is printed without a sign before it.
  const message = output.replace('+        ', '').replace(' FILE: fs/a.c:1:', ' ');
  t.is(parseCheckpatch(message, 'a.patch')?.errors, 1);
});
