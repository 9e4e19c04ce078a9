// SPDX-License-Identifier: MIT
import test from 'ava';
import type { TestResult } from '../schema.ts';
import { exampleJob, exampleResults, exampleTest } from '../testing/example.ts';
import { timelineOf } from './timeline.ts';

const start = Date.parse('2026-01-02T03:04:05.000Z');
const at = (ms: number) => new Date(start + ms).toISOString();

function ran(name: string, from: number, to: number): Partial<TestResult> {
  const guest = { ...exampleTest().guest!, start_ms: 100, origin: 'fork' as const };
  return { test: name, duration_ms: 500, guest: { ...guest, span: { from: at(from), to: at(to) } } };
}

const stages = [
  { name: 'kernel', started: at(0), duration_ms: 2000, cached: false },
  { name: 'image', started: at(2000), duration_ms: 1000, cached: false },
  { name: 'tests', started: at(3000), duration_ms: 4000, cached: false },
];

const results = exampleResults(
  [ran('a', 3000, 4000), ran('b', 3000, 5000), ran('c', 4000, 7000), ran('d', 5000, 6000)],
  { duration_ms: 7100, jobs: [exampleJob({ stages })] },
);

test('guests that ran at the same time have lanes of their own', (t) => {
  const { guests } = timelineOf(results)!;
  t.deepEqual(
    guests.map((lane) => lane.map(({ name }) => name)),
    [
      ['demo/a', 'demo/c'],
      ['demo/b', 'demo/d'],
    ],
  );
});

test('the critical path is what the end waited for', (t) => {
  const { path, shares } = timelineOf(results)!;
  t.deepEqual(
    path.map(({ name }) => name),
    ['kernel', 'image', 'demo/a', 'demo/c'],
  );
  const share = (kind: string) => shares.find((one) => one.kind === kind);
  t.deepEqual(share('building kernels'), { kind: 'building kernels', path: 2000, all: 2000 });
  t.deepEqual(share('running tests'), { kind: 'running tests', path: 1000, all: 2000 });
  t.deepEqual(share('forking guests'), { kind: 'forking guests', path: 200, all: 400 });
  t.deepEqual(share('between these'), { kind: 'between these', path: 100, all: 100 });
  t.is(shares[0]!.kind, 'settling, logs and results');
});

test('the times of an earlier run, which kiln ci takes results from, are not of this run', (t) => {
  const old = ran('old', -3_600_000, -3_599_000);
  t.is(timelineOf(exampleResults([old])), null);
  t.is(timelineOf(exampleResults()), null);
});
