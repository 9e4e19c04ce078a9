// SPDX-License-Identifier: MIT
import test from 'ava';
import type { Bisect, BisectCommit } from '../schema.ts';
import { readResults } from '../schema.ts';
import { exampleResults } from '../testing/example.ts';
import { renderText } from './text.ts';

const commit = (digit: string, more: Partial<BisectCommit>): BisectCommit => ({
  ...{
    commit: digit.repeat(40),
    subject: `change ${digit}`,
    author: 'Ann <ann@example.org>',
    date: '2026-01-02',
  },
  ...{ job: digit.repeat(12), answer: 'good', runs: { failed: 0, runs: 18 }, reason: '' },
  ...more,
});
const asked = [
  commit('a', { job: 'good' }),
  commit('f', { job: 'bad', answer: 'bad', runs: { failed: 18, runs: 18 } }),
  commit('c', { answer: 'skip', runs: null, reason: 'the kernel does not build: a.c:1: no type' }),
  commit('d', { answer: 'bad', runs: { failed: 6, runs: 6 }, reason: 'expected 1' }),
  commit('b', { runs: { failed: 0, runs: 6 } }),
];
const bisect: Bisect = {
  ...{ test: 'demo/first', case: 'one', repository: '/linux', commits: 5, looks_for: 'test', asked },
  ...{ found: [asked[3]!], error: 0.001, failure: null, again: 'kiln bisect a..f demo/first' },
};
const shown = (more: Partial<Bisect>) => {
  const tests = [{ job: 'dddddddddddd', verdict: 'fail' as const }];
  const results = exampleResults(tests, { bisect: { ...bisect, ...more } });
  return renderText(readResults(JSON.parse(JSON.stringify(results))), 'runs/1');
};

test('the first bad commit comes after all that were asked', (t) => {
  t.is(
    shown({}),
    `demo/first one: 5 commits of /linux
GOOD    aaaaaaaaaaaa good, 0 of 18 fail: change a
BAD     ffffffffffff bad, 18 of 18 fail: change f
step 1  cccccccccccc skip, the kernel does not build: a.c:1: no type: change c
step 2  dddddddddddd bad, 6 of 6 fail: change d
step 3  bbbbbbbbbbbb good, 0 of 6 fail: change b

first bad commit: ${'d'.repeat(40)}
  change d
  Ann <ann@example.org>, 2026-01-02
  wrong with p < 0.1 %
  expected 1
  logs: runs/1/tests/demo/first/
3 steps in 12 s
again: kiln bisect a..f demo/first
results: runs/1/results.json
`,
  );
});

test('commits that can’t be told apart, and the reason why none is known', (t) => {
  const two = shown({ found: [asked[3]!, asked[2]!], looks_for: 'boot' });
  t.regex(two, /^BAD does not boot: a commit is bad if it does not boot$/m);
  t.regex(
    two,
    /^the first bad commit is one of 2, which can't be told apart \(wrong with p < 0\.1 %\):\n {2}d{40} change d \(Ann/m,
  );
  const none = shown({ found: [], failure: 'bad-input: GOOD fails, too: 10 of 10' });
  t.regex(none, /^bad-input: GOOD fails, too: 10 of 10$/m);
  t.notRegex(none, /first bad commit/);
});
