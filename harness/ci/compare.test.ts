// SPDX-License-Identifier: MIT
import test from 'ava';
import type { CaseResult, TestResult } from '../schema.ts';
import { exampleTest } from '../testing/example.ts';
import { changeOf, findNewTests, findSkipped, findSuspects } from './compare.ts';
import { failuresOf, nameOf } from './failures.ts';
import type { Decision } from './replay.ts';

/** A test with cases by name. */
function result(cases: Record<string, CaseResult['verdict']>, more: Partial<TestResult> = {}): TestResult {
  const all = Object.entries(cases).map(([name, verdict]) => ({ name, verdict, detail: '' }));
  const isBad = all.some(({ verdict }) => verdict === 'fail');
  return exampleTest({ verdict: isBad ? 'fail' : 'pass', cases: all, ...more });
}

test('what fails on patched rises, what fails on base only falls', (t) => {
  const base = [result({ a: 'pass', b: 'fail', c: 'fail' })];
  const patched = [result({ a: 'fail', b: 'fail', c: 'pass' })];
  const { rises, falls } = findSuspects(patched, base);
  t.deepEqual(rises.map(nameOf), ['demo/first a', 'demo/first b']);
  t.deepEqual(falls.map(nameOf), ['demo/first c']);
});

test('what one of the kernels does not have is not compared, and infrastructure errors neither', (t) => {
  const base = [result({ a: 'fail' }, { test: 'old' }), result({ a: 'pass' }, { verdict: 'error' })];
  const patched = [result({ a: 'fail' }, { test: 'new' }), result({ a: 'fail' })];
  t.deepEqual(findSuspects(patched, base), { rises: [], falls: [] });
});

test('a case that the base’s test does not have is new, unless its guest died before it', (t) => {
  const patched = [result({ a: 'pass', b: 'fail' })];
  t.deepEqual(findSuspects(patched, [result({ a: 'pass' })]).rises, []);
  t.deepEqual(
    findNewTests(patched, [result({ a: 'pass' })]).map(({ case: name, sentence }) => [name, sentence]),
    [['b', 'new test, fails']],
  );
  const died = [result({ a: 'pass' }, { verdict: 'crash' })];
  t.deepEqual(findSuspects(patched, died).rises.map(nameOf), ['demo/first b']);
  t.deepEqual(findNewTests(patched, died), []);
});

test('a new test is told once, and each of its failures', (t) => {
  t.deepEqual(
    findNewTests([result({ a: 'pass', b: 'skip' })], []).map(({ kind, case: name, sentence }) => [
      kind,
      name,
      sentence,
    ]),
    [['new-test', null, 'new test: 2 of 2 cases pass']],
  );
  const failing = findNewTests([result({ a: 'fail', b: 'fail' })], []);
  t.deepEqual(
    failing.map(({ case: name, patched }) => [name, patched.failed]),
    [
      ['a', 1],
      ['b', 1],
    ],
  );
});

test('what passed and is skipped with the series is named', (t) => {
  const lines = findSkipped([result({ a: 'skip', b: 'pass' })], [result({ a: 'pass', b: 'pass' })]);
  t.deepEqual(lines, ['demo/first a: passes on the base, is skipped with the series']);
  const whole = findSkipped([exampleTest({ verdict: 'skip', cases: [] })], [result({ a: 'pass' })]);
  t.deepEqual(whole, ['demo/first: passes on the base, is skipped with the series']);
  t.deepEqual(findSkipped([result({ a: 'skip' })], [result({ a: 'skip' })]), []);
});

/** A decision on the failure of one case. */
function decided(counts: Pick<Decision, 'pairs' | 'patched' | 'base' | 'answer'>): Decision {
  return { failure: failuresOf(result({ a: 'fail' }))[0]!, ...counts };
}

const commands = { patched: null, base: null };

test('a change says how often each kernel failed', (t) => {
  const rise = changeOf(decided({ pairs: 8, patched: 8, base: 0, answer: 'new' }), 'rise', 'why', commands);
  t.like(rise, { kind: 'new-failure', patched: { failed: 8, runs: 8 }, base: { failed: 0, runs: 8 } });
  t.is(rise.sentence, 'new: 8 of 8 patched, 0 of 8 base, wrong with p < 0.1 %');
  t.is(rise.error, 0.001);
  // The base was in the place of patched.
  const fall = changeOf(decided({ pairs: 8, patched: 8, base: 0, answer: 'new' }), 'fall', '', commands);
  t.is(fall.kind, 'fixed');
  t.is(fall.sentence, 'fixed: 0 of 8 patched, 8 of 8 base, wrong with p < 0.1 %');
});

test('what is not new failed before always, or sometimes', (t) => {
  const kind = (patched: number, base: number, answer: Decision['answer']) =>
    changeOf(decided({ pairs: 12, patched, base, answer }), 'rise', '', commands);
  t.is(kind(12, 12, 'not-new').kind, 'failing-before');
  t.is(kind(3, 5, 'not-new').kind, 'flaky');
  t.is(kind(5, 2, 'undecided').sentence, 'undecided after 12: 5 of 12 patched, 2 of 12 base');
  const none = changeOf(
    decided({ pairs: 0, patched: 0, base: 0, answer: 'undecided' }),
    'rise',
    '',
    commands,
  );
  t.is(none.sentence, 'undecided: it could not be run again');
});
