// SPDX-License-Identifier: MIT
import test from 'ava';
import { type ErrorCode, KilnError } from '../errors.ts';
import { readResults, type Verdict } from '../schema.ts';
import { exampleJob, exampleTest } from '../testing/example.ts';
import { assemble, type JobOutcome, type RunInfo } from './assemble.ts';

const run: RunInfo = {
  id: 'run-1',
  kiln: '0.1.0',
  command: ['kiln', 'test'],
  started: new Date('2026-01-02T03:04:05.000Z'),
  ended: new Date('2026-01-02T03:04:07.500Z'),
};

function outcome(id: string, verdicts: Verdict[], code: ErrorCode | null = null): JobOutcome {
  const tests = verdicts.map((verdict, index) => exampleTest({ job: id, test: `${index}`, verdict }));
  return { job: exampleJob({ id }), tests, error: code && new KilnError(code, `${id}: ${code}`) };
}

const codeOf = (...outcomes: JobOutcome[]) => assemble(run, outcomes).exit_code;

test('the results of several jobs stand one after another, counted together', (t) => {
  const results = assemble(run, [outcome('a', ['pass', 'fail']), outcome('b', ['skip'])]);
  t.like(results, { id: 'run-1', started: '2026-01-02T03:04:05.000Z', duration_ms: 2500 });
  t.deepEqual(
    results.tests.map((one) => `${one.job}/${one.test}`),
    ['a/0', 'a/1', 'b/0'],
  );
  t.deepEqual(
    results.jobs.map(({ id }) => id),
    ['a', 'b'],
  );
  t.like(results.summary, { pass: 1, fail: 1, skip: 1, total: 3, cases: { pass: 3, total: 3 } });
  t.deepEqual(readResults(JSON.stringify(results)), results);
});

test('all is well only if nothing failed in any job', (t) => {
  t.is(codeOf(outcome('a', ['pass', 'skip', 'xfail'])), 0);
  t.is(codeOf(outcome('a', ['pass']), outcome('b', ['fail'])), 1);
  t.is(codeOf(outcome('a', ['timeout'])), 1);
  t.is(codeOf(outcome('a', ['crash'])), 1);
  t.is(codeOf(outcome('a', ['error'])), 69);
});

test('a failure, which is certain, outweighs an infrastructure error of a test', (t) => {
  t.is(codeOf(outcome('a', ['error', 'fail'])), 1);
  t.is(codeOf(outcome('a', ['error']), outcome('b', ['crash'])), 1);
});

test('what stopped a job outweighs what its tests say', (t) => {
  t.is(codeOf(outcome('a', ['fail'], 'does-not-build')), 4);
  t.is(codeOf(outcome('a', ['fail']), outcome('b', [], 'does-not-apply')), 3);
  t.is(codeOf(outcome('a', [], 'does-not-apply'), outcome('b', [], 'does-not-build')), 3);
});

test('an interruption decides, whichever job it stopped', (t) => {
  t.is(codeOf(outcome('a', [], 'does-not-build'), outcome('b', ['fail'], 'interrupted')), 130);
});

test('only infrastructure errors stand beside the tests', (t) => {
  const { errors } = assemble(run, [
    outcome('a', [], 'does-not-build'),
    outcome('b', [], 'infrastructure'),
    outcome('c', [], 'infrastructure'),
  ]);
  t.deepEqual(errors, [
    { code: 'infrastructure', message: 'b: infrastructure' },
    { code: 'infrastructure', message: 'c: infrastructure' },
  ]);
});
