// SPDX-License-Identifier: MIT

import { cacheDirectory } from '../context.ts';
import type { Built } from '../job/built.ts';
import type { Plan } from '../job/plan.ts';
import { JobRecorder } from '../job/recorder.ts';
import { build } from '../job/stages.ts';
import { useCache } from '../util/cache.ts';
import { addBuildOptions, type JobOptions, readPlan } from './ask.ts';
import type { Cli } from './command.ts';
import { buildStages, chooseReporter } from './reporter.ts';

export function registerBuild({ program, run, signal }: Cli): void {
  addBuildOptions(program.command('build'))
    .description('build the kernel and the tests; prints the directory of the kernel')
    .addHelpText('after', examples)
    .action(run((options: JobOptions) => buildCommand(options, signal)));
}

const examples = `
Examples:
  kiln build                                    the kernel of all series of patches/
  kiln build --config kasan,lockdep             a debug kernel
  kiln test liveupdate --next $(kiln build --series ./fix)`;

/** `kiln build`: as far as the kernel and the image; the last line on stdout is the kernel's directory. */
async function buildCommand(options: JobOptions, signal: AbortSignal): Promise<number> {
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
    return await build(new JobRecorder(plan, reporter.onEvent, signal), extras);
  } finally {
    await reporter.close();
  }
}
