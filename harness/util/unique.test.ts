// SPDX-License-Identifier: MIT
import test from 'ava';
import { processorTime } from '../testing/processorTime.ts';
import { uniqueNames } from './unique.ts';

test('a name that was there gets a number, also if it ends with one', (t) => {
  const names = ['a', 'b', 'a', 'a (2)', 'a', 'a (2)', 'b', ''];
  t.deepEqual(names.map(uniqueNames()), ['a', 'b', 'a (2)', 'a (2) (2)', 'a (3)', 'a (2) (3)', 'b (2)', '']);
});

test('many equal names take no longer than different ones', (t) => {
  const unique = uniqueNames();
  const started = processorTime();
  const names = Array.from({ length: 100_000 }, () => unique('same'));
  t.is(names.at(-1), 'same (100000)');
  t.true(processorTime() - started < 20_000);
});
