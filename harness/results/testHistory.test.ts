// SPDX-License-Identifier: MIT
import test from 'ava';
import type { PastRun } from './history.ts';
import { testHistories } from './testHistory.ts';

/** A run of an hour. */
function past(hour: number, more: Partial<PastRun> = {}): PastRun {
  const started = new Date(Date.UTC(2026, 0, 2, hour, 4)).toISOString();
  return {
    ...{ run: `run-${hour}`, started, dir: `/runs/${hour}`, suite: 'demo', test: 'first' },
    ...{ verdict: 'pass', detail: '', duration_ms: 1000, kernel: 'k1', series: 'fix', base: 'b' },
    ...{ release: '6.12.1', config: 'base x86_64', accelerator: 'tcg', failures: [] },
    ...more,
  };
}

const only = (runs: PastRun[]) => testHistories(runs)[0]!;
const failed = { verdict: 'fail' as const, detail: '1 case failed', failures: ['a'] };

test('runs are counted by test, and skipped ones apart', (t) => {
  const all = testHistories([past(1, { test: 'b' }), past(2), past(3, { verdict: 'skip' }), past(4, failed)]);
  t.deepEqual(
    all.map((one) => [one.test, one.runs, one.failed, one.skipped]),
    [
      ['b', 1, 0, 0],
      ['first', 2, 1, 1],
    ],
  );
  t.like(all[1], { since: '2026-01-02T02:04:00.000Z', last: '2026-01-02T04:04:00.000Z' });
  t.like(all[1]!.lastFailure, { dir: '/runs/4' });
  t.deepEqual(all[1]!.failures, [{ name: 'a', count: 1 }]);
});

test('a test is flaky if the same kernel gives both answers', (t) => {
  const broken = [6, 7, 8].map((hour) => past(hour, { ...failed, kernel: 'k2' }));
  const { flaky } = only([...[1, 2, 3].map((hour) => past(hour)), past(4, failed), ...broken]);
  t.like(flaky, { failed: 1, runs: 4 });
  t.is(flaky.rate!.estimate, 0.25);
  t.deepEqual(only(broken).flaky, { failed: 0, runs: 0, rate: null });
});

/** On each kernel in its order, runs with such durations. */
function timed(kernels: Record<string, number[]>, more: Partial<PastRun> = {}): PastRun[] {
  return Object.entries(kernels)
    .flatMap(([kernel, times]) => times.map((duration_ms) => ({ kernel, duration_ms })))
    .map((one, hour) => past(hour, { ...one, ...more }));
}

const fast = [100, 101, 102, 103, 104, 105, 106, 107];
const slow = fast.map((time) => time + 20);

test('a test is slower since the kernel that separates its times best', (t) => {
  const { slower } = only(timed({ k1: fast, k2: fast, k3: slow, k4: slow }));
  t.like(slower, { before: { median_ms: 103.5, samples: 16 }, after: { median_ms: 123.5, samples: 16 } });
  t.is(slower!.since.kernel, 'k3');
  t.true(slower!.p < 1e-6);
});

test('what may be noise, or is too little, is not called slower', (t) => {
  t.is(only(timed({ k1: fast.slice(0, 3), k2: slow.slice(0, 3) })).slower, null);
  t.is(only(timed({ k1: fast, k2: fast.map((time) => time + 0.5) })).slower, null);
  const little = fast.map((time) => 1000 + time);
  t.is(only(timed({ k1: little, k2: little.map((time) => time + 20) })).slower, null);
  t.is(only(timed({ k1: slow, k2: fast })).slower, null);
});

test('kernels with another config or accelerator are not compared', (t) => {
  const kasan = timed({ k2: slow }, { config: 'base kasan' });
  t.is(only([...timed({ k1: fast }), ...kasan]).slower, null);
  t.is(only([...timed({ k1: fast }, { accelerator: 'kvm' }), ...timed({ k2: slow })]).slower, null);
  t.is(only([...timed({ k1: fast }), ...timed({ k2: slow })]).slower?.since.kernel, 'k2');
});

test('many runs of one hour are one sample, because the host may have been busy', (t) => {
  const sameHour = (times: number[], hour: number, kernel: string) =>
    times.map((duration_ms) => past(hour, { kernel, duration_ms }));
  t.is(only([...sameHour(fast, 1, 'k1'), ...sameHour(slow, 2, 'k2')]).slower, null);
});

test('failures do not count as times', (t) => {
  const late = slow.map((duration_ms, hour) => past(20 + hour, { ...failed, kernel: 'k2', duration_ms }));
  const one = only([...timed({ k1: fast }), ...late]);
  t.is(one.slower, null);
  t.deepEqual(
    one.kernels.map(({ kernel, runs, failed: bad, median_ms }) => [kernel, runs, bad, median_ms]),
    [
      ['k1', 8, 0, 103.5],
      ['k2', 8, 8, null],
    ],
  );
});
