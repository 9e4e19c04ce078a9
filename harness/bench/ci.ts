// SPDX-License-Identifier: MIT
// What `kiln ci` takes for a series of ten patches, compared with a build of its base from nothing.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Built } from '../job/built.ts';
import type { Results } from '../schema.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { drivers, makeDriverSeries } from './driverSeries.ts';
import { ratio } from './statistics.ts';
import { type TimedRun, timeKiln } from './timedRun.ts';

/** Milliseconds of host time. A run is all of `kiln ci SERIES boot --no-debug`. */
export type CiBench = {
  /** The kernel stage of the base, with an empty cache, ccache's too. */
  cold_ms: number;
  /** A run of one patch whose base was tested before. */
  one_ms: number;
  /** The same of ten patches, for which nothing was built yet. */
  ten_ms: number;
  /** ten_ms / cold_ms. */
  ratio: number;
  /** For each patch beyond the first. */
  patch_ms: number;
  /** From the end of the first patch's build to the first result of a test on it. */
  verdict_ms: number;
  /** The same ten patches again. */
  again_ms: number;
  /** Of the ten patches: the time of each stage, summed over the jobs. Tests run while the next kernel is built. */
  stages_ms: Record<string, number>;
};

/** In a cache of its own, so it takes a cold build and twelve small ones. */
export async function benchCi(built: Built, signal: AbortSignal): Promise<CiBench> {
  await using scratch = await scratchDirectory(tmpdir());
  const env = { XDG_CACHE_HOME: join(scratch.path, 'cache') };
  const series = (files: readonly string[], word: string) =>
    makeDriverSeries(built.base, files, word, join(scratch.path, word));
  // Linux 6.12 can crash at boot without this fix.
  const base = ['--base', `git:${built.base.gitDir}#${built.base.commit}`, '--with', 'ioapic-race'];
  const run = (dir: string) => timeKiln(['ci', dir, 'boot', '--no-debug', ...base], env, signal);
  const cold = await run(await series(drivers.slice(0, 1), 'cold'));
  const one = await run(await series(drivers.slice(0, 1), 'one'));
  const whole = await series(drivers, 'ten');
  const ten = await run(whole);
  const again = await run(whole);
  requireCached(one.results, ['base']);
  requireCached(ten.results, ['base']);
  requireCached(
    again.results,
    again.results.jobs.map(({ id }) => id),
  );
  const coldMs = kernelOf(cold.results, 'base').duration_ms;
  const figures = {
    cold_ms: coldMs,
    one_ms: one.wall,
    ten_ms: ten.wall,
    patch_ms: (ten.wall - one.wall) / (drivers.length - 1),
    verdict_ms: firstVerdict(ten, 'patch-01'),
    again_ms: again.wall,
  };
  const rounded = Object.fromEntries(
    Object.entries(figures).map(([name, ms]) => [name, Math.round(ms)]),
  ) as typeof figures;
  return { ...rounded, ratio: ratio(ten.wall, coldMs), stages_ms: sumStages(ten.results) };
}

function kernelOf({ jobs }: Results, id: string): Results['jobs'][number]['stages'][number] {
  const stage = jobs.find((job) => job.id === id)?.stages.find(({ name }) => name === 'kernel');
  if (!stage) throw new Error(`job ${id} built no kernel`);
  return stage;
}

function requireCached(results: Results, ids: readonly string[]): void {
  for (const id of ids)
    if (!kernelOf(results, id).cached) throw new Error(`the kernel of ${id} was built again`);
}

/** Milliseconds, from the lines that report both. A test that is skipped says nothing. */
function firstVerdict({ lines }: TimedRun, job: string): number {
  const built = lines.find(({ text }) => new RegExp(`^${job}: kernel +[^ …]`).test(text));
  const tested = lines.find(({ text }) => new RegExp(`^(?!SKIP)[A-Z]+ +${job}: `).test(text));
  if (!built || !tested) throw new Error(`no result of a test of ${job}`);
  return tested.at - built.at;
}

function sumStages({ jobs }: Results): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { name, duration_ms } of jobs.flatMap(({ stages }) => stages))
    sums[name] = (sums[name] ?? 0) + duration_ms;
  return sums;
}
