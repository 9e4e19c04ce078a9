// SPDX-License-Identifier: MIT
import test from 'ava';
import type { CaseResult, SplatResult } from '../schema.ts';
import { exampleTest } from '../testing/example.ts';
import { failsAgain, failuresOf, nameOf } from './failures.ts';

const failed = (name: string, detail = ''): CaseResult => ({ name, verdict: 'fail', detail });
const splat = (title: string, more: Partial<SplatResult> = {}): SplatResult => ({
  ...{ title, kind: 'warning', phase: 'test', task: null, torn: false, lines: [], panic: null },
  ...more,
});

test('a passing test has no failure, and an infrastructure error is none', (t) => {
  t.deepEqual(failuresOf(exampleTest()), []);
  t.deepEqual(failuresOf(exampleTest({ verdict: 'error', cases: [failed('a')] })), []);
});

test('each case that fails is a failure, with the last line of its reason', (t) => {
  const result = exampleTest({
    verdict: 'fail',
    cases: [failed('a', 'x.c:1\nExpected 1 == 2\n'), failed('b')],
  });
  t.deepEqual(
    failuresOf(result).map((failure) => [nameOf(failure), failure.detail]),
    [
      ['demo/first a', 'Expected 1 == 2'],
      ['demo/first b', ''],
    ],
  );
});

test('each unexpected splat is a failure, once', (t) => {
  const splats = [
    splat('WARNING in f'),
    splat('WARNING in f'),
    splat('BUG: g', { expected: true }),
    splat('stall', { notice: true }),
  ];
  t.deepEqual(
    failuresOf(exampleTest({ verdict: 'fail', splats })).map(({ splat: title, case: name }) => [title, name]),
    [['WARNING in f', null]],
  );
});

test('a test that fails for neither is a failure by itself', (t) => {
  const [own, ...others] = failuresOf(exampleTest({ verdict: 'timeout', detail: 'killed after 60 s' }));
  t.like(own, { case: null, splat: null, detail: 'killed after 60 s' });
  t.deepEqual(others, []);
});

test('a case fails again if it fails, or if the guest dies before it reports', (t) => {
  const [failure] = failuresOf(exampleTest({ verdict: 'fail', cases: [failed('a')] }));
  const again = (more: Parameters<typeof exampleTest>[0]) => failsAgain(failure!, exampleTest(more));
  t.true(again({ verdict: 'fail', cases: [failed('a'), failed('b')] }));
  t.false(again({ verdict: 'fail', cases: [{ ...failed('a'), verdict: 'pass' }, failed('b')] }));
  t.true(again({ verdict: 'crash', cases: [] }));
  t.false(again({ verdict: 'crash', cases: [{ ...failed('a'), verdict: 'pass' }] }));
  t.false(again({ verdict: 'skip', cases: [] }));
});

test('a test as a whole fails again in any way', (t) => {
  const [failure] = failuresOf(exampleTest({ verdict: 'timeout' }));
  t.true(failsAgain(failure!, exampleTest({ verdict: 'fail', cases: [failed('a')] })));
  t.true(failsAgain(failure!, exampleTest({ verdict: 'crash', splats: [splat('BUG: f')] })));
  t.false(failsAgain(failure!, exampleTest()));
  t.false(failsAgain(failure!, exampleTest({ verdict: 'error' })));
});

test('a splat fails again by its title alone', (t) => {
  const [failure] = failuresOf(exampleTest({ verdict: 'crash', splats: [splat('BUG: f')] }));
  t.true(failsAgain(failure!, exampleTest({ verdict: 'fail', splats: [splat('BUG: f')] })));
  t.false(failsAgain(failure!, exampleTest({ verdict: 'crash', splats: [splat('BUG: g')] })));
});
