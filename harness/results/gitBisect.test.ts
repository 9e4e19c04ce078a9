// SPDX-License-Identifier: MIT
import test from 'ava';
import type { JobResult, Verdict } from '../schema.ts';
import { exampleResults } from '../testing/example.ts';
import { type BisectSubject, forGitBisect, oneLine } from './gitBisect.ts';

/** What git bisect is told of a run. `boots`: the guest came up. */
function told(tests: { verdict: Verdict; boots?: boolean }[], subject: BisectSubject = 'test') {
  const results = exampleResults(
    tests.map(({ verdict, boots = true }) => ({ verdict, boot_ms: boots ? 800 : null })),
  );
  return forGitBisect(results, subject);
}

/** The same of a run whose job ended early. */
function toldOf(code: string, tests: { verdict: Verdict }[] = []) {
  const results = exampleResults(tests);
  const error: JobResult['error'] = { code, message: 'why' };
  return forGitBisect({ ...results, jobs: [{ ...results.jobs[0]!, error }] }, 'test');
}

test('a commit is good if its tests pass, and bad if one fails, times out or crashes', (t) => {
  t.is(told([{ verdict: 'pass' }, { verdict: 'xfail' }, { verdict: 'skip' }]).exitCode, 0);
  for (const verdict of ['fail', 'timeout', 'crash'] as const)
    t.is(told([{ verdict: 'pass' }, { verdict }, { verdict: 'error' }]).exitCode, 1);
});

test('a commit that does not build, or on which no test runs, is skipped', (t) => {
  for (const code of ['does-not-build', 'config-missing', 'does-not-apply'])
    t.deepEqual(toldOf(code), { exitCode: 125, answer: 'skip', why: 'why' });
  t.is(
    oneLine('it does not build:\n  a.c:1: no type\n  a.c:2: nor here'),
    'it does not build: a.c:1: no type',
  );
  t.is(told([]).exitCode, 125);
  t.is(told([{ verdict: 'skip' }]).exitCode, 125);
  t.is(told([{ verdict: 'error' }, { verdict: 'pass' }]).exitCode, 125);
});

test('a kernel that does not boot is skipped, unless booting is what is looked at', (t) => {
  const tests = [{ verdict: 'crash', boots: false } as const];
  t.is(told(tests).exitCode, 125);
  t.is(told([...tests, { verdict: 'pass' }]).exitCode, 125);
  t.is(told([...tests, { verdict: 'fail' }]).exitCode, 1);
  t.is(told(tests, 'boot').exitCode, 1);
});

test('a test program that does not build says nothing of the commit', (t) => {
  const broken = { verdict: 'fail', boot_ms: null, guest: null, detail: 'does not build: a.c:1' } as const;
  for (const subject of ['test', 'boot'] as const) {
    const { exitCode, why } = forGitBisect(exampleResults([broken, {}]), subject);
    t.deepEqual([exitCode, why], [125, broken.detail]);
  }
});

test('with `boot`, a kernel that boots is good, whatever its tests say', (t) => {
  t.is(told([{ verdict: 'fail' }], 'boot').exitCode, 0);
  t.is(told([{ verdict: 'error', boots: false }], 'boot').exitCode, 125);
});

test('what says nothing of the commit ends git bisect run', (t) => {
  for (const code of ['infrastructure', 'bad-input', 'usage']) t.is(toldOf(code).exitCode, 128);
  t.is(toldOf('interrupted', [{ verdict: 'fail' }]).exitCode, 130);
});
