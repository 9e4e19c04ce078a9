// SPDX-License-Identifier: MIT
// The short form of `npm run blame`: the numbers are the same each time.
import test from 'ava';
import { minimalRise, statedError } from '../ci/blame.ts';
import { randomFrom } from './random.ts';
import { type Rates, simulate } from './simulation.ts';

const shares = [0, 0.05, 0.2, 0.5, 1];
const patches = 8;

for (const [failures, series, found] of [
  [1, 4000, 0.99],
  [10, 400, 0.95],
] as const)
  test(`answers are wrong as rarely as stated, and great rises are found: ${failures} of a series`, async (t) => {
    for (const patched of shares)
      for (const base of shares) {
        const rates: Rates = { patched, base };
        const random = randomFrom(JSON.stringify([failures, rates]));
        const { wrong, answers } = await simulate({ ...rates, series, failures, patches }, random);
        t.true(wrong <= statedError * series, `${patched} ${base}: ${wrong} of ${series} series`);
        if (patched - base >= minimalRise)
          t.true(answers.new >= found * series * failures, `${patched} ${base}: ${answers.new} found`);
      }
  });

test('the numbers are spread evenly, and differ by their seed', (t) => {
  const random = randomFrom('1');
  const tenths = Array.from({ length: 10 }, () => 0);
  for (let drawn = 0; drawn < 100_000; drawn++) tenths[Math.floor(random() * 10)]!++;
  for (const count of tenths) t.true(Math.abs(count - 10_000) < 500, tenths.join(' '));
  const first = (seed: string) => randomFrom(seed)();
  t.is(first('1'), first('1'));
  t.not(first('1'), first('2'));
});
