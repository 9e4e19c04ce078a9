// SPDX-License-Identifier: MIT
import test from 'ava';
import type { KilnEvent, StageName } from '../events.ts';
import type { Verdict } from '../schema.ts';
import { exampleTest } from '../testing/example.ts';
import { View } from './terminal.ts';

const stages: StageName[] = ['kernel', 'tests'];

function view(jobs: string[], ...events: KilnEvent[]): View {
  const one = new View(stages);
  for (const event of [{ type: 'run-start' as const, id: 'run', dir: 'runs/run', jobs }, ...events])
    one.take(event);
  return one;
}

const lines = (one: View, width = 80) => one.lines('*', width);
const ends = (job: string, verdict: Verdict): KilnEvent => ({
  type: 'test-end',
  job,
  result: exampleTest({ job, verdict }),
});
const kernel = { stage: 'kernel' as const };

test('before anything happens every stage is there, and waits', (t) => {
  t.deepEqual(lines(view(['a'])), ['  Build the kernel', '  Run the tests']);
});

test('a stage under way has its progress, one that is done what came of it', (t) => {
  const one = view(
    ['a'],
    { type: 'stage-start', job: 'a', ...kernel },
    { type: 'stage-progress', job: 'a', ...kernel, text: 'building open.o', done: 1, total: 4 },
  );
  t.is(lines(one)[0], '* Build the kernel: building open.o, 1 of 4 (25 %)');
  one.take({ type: 'stage-end', job: 'a', ...kernel, cached: false, durationMs: 1500, text: '6.12' });
  t.is(lines(one)[0], '✔ Build the kernel: 6.12 (1.5 s)');
});

test('what was there already is said to be cached, and a failure is marked', (t) => {
  const one = view(
    ['a'],
    { type: 'stage-end', job: 'a', ...kernel, cached: true, durationMs: 1500, text: '6.12' },
    { type: 'stage-failed', job: 'a', stage: 'tests', message: 'no' },
  );
  t.deepEqual(lines(one), ['✔ Build the kernel: 6.12 (cached)', '✖ Run the tests: failed']);
});

test('two jobs at once have their progress and their counts each for itself', (t) => {
  const one = view(
    ['a', 'b'],
    { type: 'stage-start', job: 'a', stage: 'tests' },
    { type: 'tests-planned', job: 'a', total: 3, guests: 2 },
    { type: 'stage-start', job: 'b', ...kernel },
    ends('a', 'pass'),
    { type: 'stage-progress', job: 'b', ...kernel, text: 'building', done: 1, total: 2 },
    ends('a', 'crash'),
  );
  t.deepEqual(lines(one), [
    '* a: Run the tests: 2 of 3, 1 failed',
    '* b: Build the kernel: building, 1 of 2 (50 %)',
  ]);
  one.take({ type: 'tests-planned', job: 'b', total: 5, guests: 2 });
  one.take(ends('b', 'timeout'));
  one.take({ type: 'stage-start', job: 'b', stage: 'tests' });
  t.deepEqual(lines(one), ['* a: Run the tests: 2 of 3, 1 failed', '* b: Run the tests: 1 of 5, 1 failed']);
});

test('of several jobs, each has the line of the stage that it is at', (t) => {
  const one = view(['a', 'b'], {
    type: 'stage-end',
    job: 'a',
    ...kernel,
    cached: true,
    durationMs: 0,
    text: '6.12',
  });
  t.deepEqual(lines(one), ['✔ a: Build the kernel: 6.12 (cached)', '  b: Build the kernel']);
  one.take({ type: 'stage-failed', job: 'a', stage: 'tests', message: 'no' });
  t.is(lines(one)[0], '✖ a: Run the tests: failed');
});

test('a line names its job only where there are several', (t) => {
  t.is(view(['a']).named('a', 'warning: x'), 'warning: x');
  t.is(view(['a', 'b']).named('a', 'warning: x'), 'a: warning: x');
});

test('skips and infrastructure errors are no failures in the count', (t) => {
  const one = view(
    ['a'],
    { type: 'stage-start', job: 'a', stage: 'tests' },
    { type: 'tests-planned', job: 'a', total: 3, guests: 2 },
    ends('a', 'skip'),
    ends('a', 'error'),
  );
  t.is(lines(one)[1], '* Run the tests: 2 of 3');
});

test('the progress inside the tests does not cover their count', (t) => {
  const one = view(
    ['a'],
    { type: 'stage-start', job: 'a', stage: 'tests' },
    { type: 'tests-planned', job: 'a', total: 2, guests: 2 },
    ends('a', 'pass'),
    { type: 'stage-progress', job: 'a', stage: 'tests', text: 'booting a guest to fork from' },
  );
  t.is(lines(one)[1], '* Run the tests: 1 of 2');
});

test('no line is wider than the terminal', (t) => {
  const one = view(['a'], {
    type: 'stage-end',
    job: 'a',
    ...kernel,
    cached: true,
    durationMs: 0,
    text: 'x'.repeat(100),
  });
  t.true(lines(one, 40).every((line) => line.length <= 40));
  t.is(lines(one, 40)[0], `✔ Build the kernel: ${'x'.repeat(19)}…`);
});

test('what comes from outside is shown without control characters', (t) => {
  const one = view(
    ['a\u001b[2J', 'b'],
    { type: 'stage-start', job: 'a\u001b[2J', ...kernel },
    { type: 'stage-progress', job: 'a\u001b[2J', ...kernel, text: 'building \u001b[31m.o' },
  );
  t.false(lines(one).join('').includes('\u001b'));
});
