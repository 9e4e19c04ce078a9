// SPDX-License-Identifier: MIT

import { cacheDirectory } from '../context.ts';
import { type Built, build } from '../job/build.ts';
import type { Plan } from '../job/plan.ts';
import { Line } from '../job/recorder.ts';
import { useCache } from '../util/cache.ts';
import { type JobOptions, readPlan } from './ask.ts';
import { buildStages, chooseReporter } from './reporter.ts';

/** `kiln build`: as far as the kernel and the image; the last line on stdout is the kernel's directory. */
export async function buildCommand(options: JobOptions, signal: AbortSignal): Promise<number> {
  const { kernel } = await buildQuietly(await readPlan([], options), signal);
  process.stdout.write(`${kernel.dir}\n`);
  return 0;
}

/** Build with progress on stderr, so that stdout is the command's own. */
export async function buildQuietly(
  plan: Plan,
  signal: AbortSignal,
  extras: { busybox?: string } = {},
): Promise<Built> {
  await using _cache = await useCache(cacheDirectory(), signal);
  const reporter = chooseReporter(buildStages, process.stderr);
  try {
    return await build(new Line(plan, reporter.onEvent, signal), extras);
  } finally {
    await reporter.close();
  }
}
