// SPDX-License-Identifier: MIT
import test from 'ava';
import { plural, several } from './plural.ts';

test('only one thing is singular', (t) => {
  t.deepEqual(
    [0, 1, 2].map((count) => plural(count, 'test')),
    ['0 tests', '1 test', '2 tests'],
  );
});

test('a noun that ends in a sibilant takes -es', (t) => {
  for (const noun of ['process', 'patch', 'flush', 'box']) t.is(plural(2, noun), `2 ${noun}es`);
  t.is(plural(1, 'process'), '1 process');
  t.is(plural(2, 'W=1 warning'), '2 W=1 warnings');
});

test('a noun that ends in a consonant and y takes -ies', (t) => {
  t.deepEqual([plural(1, 'entry'), plural(2, 'entry'), plural(2, 'key')], ['1 entry', '2 entries', '2 keys']);
});

test('of many things the first few are named', (t) => {
  t.is(several(['a', 'b']), 'a, b');
  t.is(several(['a', 'b', 'c', 'd'], 2), 'a, b and 2 more');
  t.is(several([]), '');
});
