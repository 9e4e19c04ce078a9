// SPDX-License-Identifier: MIT
import test from 'ava';
import { added, shown } from './findings.ts';

test('findings are bounded, and say how many are left out', (t) => {
  const all = shown(Array.from({ length: 130 }, (_, index) => `${index}`));
  t.deepEqual([all.length, all.at(-2), all.at(-1)], [101, '99', 'and 30 more']);
  t.is(shown(['a\n'.repeat(50)])[0]!.split('\n').length, 20);
  t.is(shown(['a'.repeat(5000)])[0]!.length, 401);
});

test('findings hold nothing that a terminal would take for a command', (t) => {
  t.deepEqual(shown(['a\x1b[31mb\x07']), ['ab']);
});

test('an item has one partner', (t) => {
  t.deepEqual(added(['a'], ['a', 'a'], String), ['a']);
  t.deepEqual(added(['a', 'a'], ['a'], String), []);
  t.deepEqual(
    added(['a1', 'b1'], ['b1', 'a2', 'a3'], String, (text) => text[0]!),
    ['a3'],
  );
});
