// SPDX-License-Identifier: MIT
// Pure: the earlier runs of a test → since when it is there, how often it fails, and whether it became slower.
import { median } from '../util/median.ts';
import { rankSum } from '../util/rankSum.ts';
import { type Rate, wilson } from '../util/wilson.ts';
import type { PastRun } from './history.ts';
import { isBad } from './judge.ts';

/** Runs of a test on one kernel. `runs` were not skipped. */
export type OnKernel = Pick<PastRun, 'kernel' | 'release' | 'series' | 'config' | 'accelerator'> & {
  since: string;
  last: string;
  runs: number;
  failed: number;
  /** Of runs that passed, in guest time; null without one. */
  median_ms: number | null;
};

/** Guest time, and from how many samples. */
export type Times = { median_ms: number; samples: number };

/** A test takes longer since a kernel. `p`: the probability that this is noise, at most. */
export type Slower = {
  since: OnKernel;
  before: Times;
  after: Times;
  p: number;
};

export type TestHistory = {
  suite: string;
  test: string;
  since: string;
  last: string;
  /** Runs that were not skipped. */
  runs: number;
  failed: number;
  skipped: number;
  /**
   * Failures in runs on kernels on which it also passed: the kernel alone does not explain these. A kernel on which it
   * always fails is broken, and not counted. `rate` is null without such a kernel.
   */
  flaky: { failed: number; runs: number; rate: Rate | null };
  lastFailure: PastRun | null;
  /** What failed, and how often; the most frequent first. */
  failures: { name: string; count: number }[];
  /** In the order of their first runs. */
  kernels: OnKernel[];
  slower: Slower | null;
};

/** A slowdown is reported if it is noise with at most this probability, and if it is not too small to matter. */
const [mostNoise, leastRatio] = [0.001, 1.05];

/** The histories of tests, in the order of their names. @param runs of any tests, the oldest first */
export function testHistories(runs: readonly PastRun[]): TestHistory[] {
  const byTest = Map.groupBy(runs, ({ suite, test }) => `${suite}/${test}`);
  return [...byTest.keys()].sort().map((name) => historyOf(byTest.get(name)!));
}

function historyOf(all: readonly PastRun[]): TestHistory {
  const runs = all.filter(({ verdict }) => verdict !== 'skip');
  const failed = runs.filter(({ verdict }) => isBad(verdict));
  const onKernels = [...byKernel(runs).values()];
  const kernels = onKernels.map(onKernel);
  const mixed = kernels.filter((one) => one.kernel !== null && one.failed < one.runs);
  const flaky = { failed: sum(mixed.map((one) => one.failed)), runs: sum(mixed.map((one) => one.runs)) };
  return {
    suite: all[0]!.suite,
    test: all[0]!.test,
    since: all[0]!.started,
    last: all.at(-1)!.started,
    runs: runs.length,
    failed: failed.length,
    skipped: all.length - runs.length,
    flaky: { ...flaky, rate: wilson(flaky.failed, flaky.runs) },
    lastFailure: failed.at(-1) ?? null,
    failures: countEach(failed.flatMap((run) => run.failures)),
    kernels,
    slower: findSlower(runs),
  };
}

function byKernel(runs: readonly PastRun[]): Map<string, PastRun[]> {
  return Map.groupBy(runs, ({ kernel, config, accelerator }) =>
    JSON.stringify([kernel, config, accelerator]),
  );
}

function onKernel(runs: readonly PastRun[]): OnKernel {
  const { kernel, release, series, config, accelerator } = runs.at(-1)!;
  const times = durations(runs);
  return {
    ...{ kernel, release, series, config, accelerator },
    since: runs[0]!.started,
    last: runs.at(-1)!.started,
    runs: runs.length,
    failed: runs.filter(({ verdict }) => isBad(verdict)).length,
    median_ms: times.length > 0 ? median(times) : null,
  };
}

function durations(runs: readonly PastRun[]): number[] {
  return runs.filter(({ verdict }) => verdict === 'pass').map(({ duration_ms }) => duration_ms);
}

function countEach(names: readonly string[]): TestHistory['failures'] {
  return [...Map.groupBy(names, (name) => name)]
    .map(([name, same]) => ({ name, count: same.length }))
    .sort((a, b) => b.count - a.count);
}

/**
 * The kernel with which the test became slower, out of those with the same config and accelerator: a debug kernel is
 * slow for another reason. Each kernel is tried as the first slow one, and `p` is multiplied by their number.
 */
function findSlower(runs: readonly PastRun[]): Slower | null {
  const known = runs.filter(({ kernel, verdict }) => kernel !== null && verdict === 'pass');
  const grounds = Map.groupBy(known, ({ config, accelerator }) => JSON.stringify([config, accelerator]));
  const all = [...grounds.values()].flatMap(splits);
  const found = all
    .map((one) => ({ ...one, p: Math.min(1, one.p * all.length) }))
    .filter(({ p, before, after }) => p <= mostNoise && after.median_ms >= before.median_ms * leastRatio);
  return found.toSorted((a, b) => a.p - b.p)[0] ?? null;
}

function splits(runs: readonly PastRun[]): Slower[] {
  const kernels = [...byKernel(runs).values()];
  return kernels.slice(1).map((first, index) => {
    const before = kernels.slice(0, index + 1).flatMap(hourlyTimes);
    const after = kernels.slice(index + 1).flatMap(hourlyTimes);
    return {
      since: onKernel(first),
      before: { median_ms: median(before), samples: before.length },
      after: { median_ms: median(after), samples: after.length },
      p: rankSum(before, after),
    };
  });
}

/**
 * Samples of the time that a test takes on one kernel. A host that is busy for a while slows all runs of this while, so
 * those of one hour are one sample. @param runs in the order of time
 */
export function hourlyTimes(runs: readonly PastRun[]): number[] {
  const hours = Map.groupBy(runs, ({ started }) => started.slice(0, 13));
  return [...hours.values()].map(durations).flatMap((times) => (times.length > 0 ? [median(times)] : []));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
