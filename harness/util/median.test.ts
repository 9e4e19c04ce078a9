// SPDX-License-Identifier: MIT
import test from 'ava';
import { median } from './median.ts';

test('the middle one of an odd number, the mean of two of an even one', (t) => {
  t.is(median([10, 1, 2]), 2);
  t.is(median([10, 1, 2, 4]), 3);
  t.is(median([]), Number.NaN);
});
