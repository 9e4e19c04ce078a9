// SPDX-License-Identifier: MIT
import test from 'ava';
import { type Answer, Blame, leadBound, minimalRise, pairBudget, statedError } from './blame.ts';

type Outcome = { new: number; 'not-new': number; undecided: number; pairs: number };

/** The probability of each answer, and the pairs on average, for shares of failures on the two kernels: exact, by the
 *  probabilities of all counts that no answer has ended. */
function outcome(blame: Blame, onPatched: number, onBase: number): Outcome {
  const sum: Outcome = { new: 0, 'not-new': 0, undecided: 0, pairs: 0 };
  let open = new Map([['0 0', { patched: 0, base: 0, probability: 1 }]]);
  for (let pairs = 1; pairs <= pairBudget; pairs++) {
    const next: typeof open = new Map();
    for (const { patched, base, probability } of open.values()) {
      sum.pairs += probability;
      for (const one of [0, 1])
        for (const other of [0, 1]) {
          const share = (one ? onPatched : 1 - onPatched) * (other ? onBase : 1 - onBase);
          if (share === 0) continue;
          const key = `${patched + one} ${base + other}`;
          const known = next.get(key)?.probability ?? 0;
          next.set(key, {
            patched: patched + one,
            base: base + other,
            probability: known + probability * share,
          });
        }
    }
    open = new Map();
    for (const [key, state] of next) {
      const answer: Answer = blame.decide({ pairs, patched: state.patched, base: state.base });
      if (answer === null) open.set(key, state);
      else sum[answer] += state.probability;
    }
  }
  for (const { probability } of open.values()) sum.undecided += probability;
  return sum;
}

const shares = [0, 0.01, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1];

for (const tests of [1, 10]) {
  const blame = new Blame(tests);
  const most = statedError / (2 * tests);

  test(`a test that fails no more often with the patch is rarely called new: ${tests} replayed`, (t) => {
    for (const onBase of shares)
      for (const onPatched of shares.filter((share) => share <= onBase))
        t.true(outcome(blame, onPatched, onBase).new <= most, `${onPatched} ${onBase}`);
  });

  test(`a test that fails far more often with the patch is rarely cleared: ${tests} replayed`, (t) => {
    for (const onBase of shares)
      for (const onPatched of shares.filter((share) => share - onBase >= minimalRise))
        t.true(outcome(blame, onPatched, onBase)['not-new'] <= most, `${onPatched} ${onBase}`);
  });
}

for (const [tests, share] of [
  [1, 0.97],
  [10, 0.91],
] as const)
  test(`a rise by 50 points is found within the budget with a probability of ${share}: ${tests} replayed`, (t) => {
    // Half of the error is for the patches that failures come with (changes.ts).
    const blame = new Blame(tests, statedError / 2);
    for (const [onPatched, onBase] of [
      [0.5, 0],
      [0.6, 0.1],
      [0.7, 0.2],
      [0.75, 0.25],
      [1, 0.5],
      [1, 0],
    ] as const)
      t.true(outcome(blame, onPatched, onBase).new >= share, `${onPatched} ${onBase}`);
  });

test('clear cases end early', (t) => {
  const blame = new Blame(1);
  const after = (patched: boolean, base: boolean) => {
    for (let pairs = 1; pairs <= pairBudget; pairs++) {
      const answer = blame.decide({ pairs, patched: patched ? pairs : 0, base: base ? pairs : 0 });
      if (answer) return `${answer} after ${pairs}`;
    }
    return 'undecided';
  };
  t.is(after(true, false), 'new after 7');
  t.is(after(false, false), 'not-new after 15');
  t.is(after(true, true), 'not-new after 15');
  t.is(after(false, true), 'not-new after 4');
});

test('more tests that are replayed take more evidence each', (t) => {
  const seven = { pairs: 7, patched: 7, base: 0 };
  t.is(new Blame(1).decide(seven), 'new');
  t.is(new Blame(50).decide(seven), null);
});

test('no answer is given beyond the budget', (t) => {
  const beyond = { pairs: pairBudget + 1, patched: 0, base: 0 };
  t.throws(() => new Blame(1).decide(beyond), { instanceOf: RangeError, message: /61 pairs .* 60/ });
});

test('the bound of the lead is the smallest that holds', (t) => {
  // Ten pairs: all ten must be won, each with the probability 1/4.
  t.is(leadBound(4 ** -10, 10), 10);
  t.is(leadBound(4 ** -10 / 2, 10), Infinity);
  t.is(leadBound(1, 10), 1);
});
