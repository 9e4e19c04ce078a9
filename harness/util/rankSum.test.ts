// SPDX-License-Identifier: MIT
import test from 'ava';
import { rankSum } from './rankSum.ts';

const near = (value: number, expected: number, by = 1e-9) => Math.abs(value - expected) <= by;

test('of few values, the probability is exact', (t) => {
  // 1 of 6 choose 3 orders has the three largest values last.
  t.true(near(rankSum([1, 2, 3], [4, 5, 6]), 1 / 20));
  t.true(near(rankSum([4, 5, 6], [1, 2, 3]), 1));
  t.true(near(rankSum([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 1 / 252));
  // Rank sums of 4 of 2 and 4 of 4: {2,4}, {3,4} have a sum of at least 6.
  t.true(near(rankSum([1, 3], [2, 4]), 2 / 6));
});

test('equal values are half before, half behind', (t) => {
  t.true(near(rankSum([1, 1], [1, 1]), 1));
  t.true(near(rankSum([1, 1], [1, 2]), 1 / 2));
});

test('of many values, it is close to the exact one', (t) => {
  const numbers = (count: number, shift: number) => Array.from({ length: count }, (_, i) => 2 * i + shift);
  const exact = rankSum(numbers(29, 0), numbers(29, 9));
  const approximate = rankSum(numbers(31, 0), numbers(31, 9));
  t.true(near(exact, approximate, 0.02));
  t.true(rankSum(numbers(200, 0), numbers(200, 900)) < 1e-6);
  t.true(rankSum(numbers(200, 900), numbers(200, 0)) > 0.999);
});

test('without values nothing is known', (t) => {
  t.is(rankSum([], [1, 2]), 1);
  t.is(rankSum([1, 2], []), 1);
});
