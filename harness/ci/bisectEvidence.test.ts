// SPDX-License-Identifier: MIT
import test from 'ava';
import { bisectError, decide, errorOf, evidence, failsMore, type Runs } from './bisectEvidence.ts';

const all = (runs: number): Runs => ({ failed: runs, runs });
const none = (runs: number): Runs => ({ failed: 0, runs });

test('the errors of all questions add up to the error of the bisection', (t) => {
  let sum = 0;
  for (let number = 1; number <= 100_000; number++) sum += errorOf(number);
  t.true(sum <= bisectError && sum > 0.9999 * bisectError);
});

test('a test that always fails on one kernel and never on the other takes few runs', (t) => {
  t.false(failsMore(none(5), all(5), errorOf(1)));
  t.true(failsMore(none(6), all(6), errorOf(1)));
  const ends = { good: none(18), bad: all(18) };
  for (let question = 2; question <= 14; question++) {
    t.is(decide(all(6), ends, errorOf(question)), 'bad');
    t.is(decide(none(6), ends, errorOf(question)), 'good');
    t.is(decide(all(3), ends, errorOf(question)), null);
  }
});

test('kernels that fail as often, or the other way round, are no evidence', (t) => {
  for (const runs of [1, 10, 200])
    for (const failed of [0, Math.floor(runs / 3), runs]) {
      const one = { failed, runs };
      t.true(evidence(one, one) <= 0);
      t.true(evidence(all(runs), one) <= 0);
    }
  t.true(evidence(none(0), none(0)) <= 0);
});

/**
 * The probability that the evidence reaches 1/error at any time, exactly: runs alternate, both kernels fail with the
 * same share, and a pair of counts that has reached it counts no further.
 */
function falseAlarms(share: number, error: number, pairs: number): number {
  let alarms = 0;
  let ways = new Map<string, [Runs, Runs, number]>([['', [none(0), none(0), 1]]]);
  for (let run = 0; run < 2 * pairs; run++) {
    const next = new Map<string, [Runs, Runs, number]>();
    for (const [lower, upper, probability] of ways.values())
      for (const [failed, chance] of [
        [1, share],
        [0, 1 - share],
      ] as const) {
        const after = (one: Runs): Runs => ({ failed: one.failed + failed, runs: one.runs + 1 });
        const [low, high] = run % 2 === 0 ? [after(lower), upper] : [lower, after(upper)];
        if (failsMore(low, high, error)) {
          alarms += probability * chance;
          continue;
        }
        const key = `${low.failed} ${high.failed}`;
        next.set(key, [low, high, (next.get(key)?.[2] ?? 0) + probability * chance]);
      }
    ways = next;
  }
  return alarms;
}

test('two kernels that fail as often are told apart with at most the stated error, whenever one looks', (t) => {
  for (const error of [0.1, 0.01, errorOf(1)])
    for (const share of [0.02, 0.3, 0.5, 0.9]) {
      const alarms = falseAlarms(share, error, 25);
      t.true(alarms <= error, `${alarms} at ${share}, stated ${error}`);
    }
  // It is no empty promise: the bound is not missed by orders of magnitude.
  t.true(falseAlarms(0.5, 0.1, 25) > 0.002);
});
