// SPDX-License-Identifier: MIT
// Runs jobs from their plans to their results, on one pool of guests.
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asKilnError, type KilnError } from './errors.ts';
import type { Emit } from './events.ts';
import type { Execution } from './execution/execution.ts';
import { runTests } from './execution/schedule.ts';
import type { Built } from './job/built.ts';
import type { Plan } from './job/plan.ts';
import { JobRecorder, type StageResult } from './job/recorder.ts';
import { build, type Extras, type Inspector } from './job/stages.ts';
import type { Kernel } from './kernel/kernel.ts';
import type { Pool } from './pool/pool.ts';
import type { JobOutcome } from './results/assemble.ts';
import { Decoder } from './splat/decode.ts';
import { Turns } from './util/turns.ts';

/** Shared by all jobs of a run. */
export type Run = {
  /** The run's directory, absolute. */
  dir: string;
  pool: Pool;
  emit: Emit;
  signal: AbortSignal;
  /** Of the build; see Extras. */
  home?: string;
  inspector?: Inspector;
  /** The tests stage; default: runTests. */
  execute?: typeof runTests;
};

/**
 * Run jobs through all stages. An error that ends a job is in its outcome, not thrown. Builds run one at a
 * time, because each uses all processors; one job's tests run while the next job builds.
 */
export async function runJobs(plans: readonly Plan[], run: Run): Promise<JobOutcome[]> {
  const builds = new Turns<Plan>(1, 1);
  return Promise.all(plans.map((plan) => runJob(plan, run, builds)));
}

async function runJob(plan: Plan, run: Run, builds: Turns<Plan>): Promise<JobOutcome> {
  const { dir, pool, emit, signal, execute = runTests } = run;
  const recorder = new JobRecorder(plan, emit, signal);
  let error: KilnError | null = null;
  try {
    const built = await buildInTurn(recorder, builds, { home: run.home, inspector: run.inspector });
    await copyKernelFiles(built.kernel, join(dir, 'jobs', plan.id));
    await recorder.stage('tests', (context): Promise<StageResult<void>> => {
      const decoder = new Decoder(built.kernel, built.tree, context);
      const execution: Execution = { pool, context, decode: (splats) => decoder.decode(splats) };
      return execute(recorder, built, dir, execution);
    });
  } catch (thrown) {
    error = asKilnError(signal.aborted ? (signal.reason ?? thrown) : thrown);
    recorder.job.error = { code: error.code, message: error.message, hint: error.hint, ...error.details };
  }
  return { job: recorder.job, tests: recorder.tests.filter((test) => test !== undefined), error };
}

async function buildInTurn(recorder: JobRecorder, builds: Turns<Plan>, extras: Extras): Promise<Built> {
  using _turn = await builds.take(1, recorder.plan);
  return await build(recorder, extras);
}

async function copyKernelFiles(kernel: Kernel, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await copyFile(join(kernel.dir, 'config'), join(dir, '.config'));
  await copyFile(join(kernel.dir, 'build.log'), join(dir, 'build.log'));
}
