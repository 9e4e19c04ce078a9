// SPDX-License-Identifier: MIT
// A series on its base, patch by patch: jobs, then what differs between them.
import { basename } from 'node:path';
import { runTests } from '../execution/schedule.ts';
import type { Plan } from '../job/plan.ts';
import type { JobRecorder, StageResult } from '../job/recorder.ts';
import type { JobOutcome } from '../results/assemble.ts';
import { type Run, runJobs } from '../run.ts';
import type { Change } from '../schema.ts';
import { plural } from '../util/plural.ts';
import { type CiOptions, findChanges, type Group, type Held, type Tested } from './changes.ts';
import { findKnown, keyOfJob, storeKnown } from './known.ts';
import type { CiPlans } from './plans.ts';

/** A base, the trees after each patch, and what differs between them. */
export type CiOutcome = {
  base: JobOutcome;
  /** In the order of the patches. */
  steps: JobOutcome[];
  /** Base and whole series on the debug kernel. */
  debug: { config: string[]; base: JobOutcome; whole: JobOutcome } | null;
  changes: Change[];
  /** Ended before all was decided. */
  isInterrupted: boolean;
};

/** Run the jobs, compare base and patched, replay what failed, and find the patches. */
export async function runCi(plans: CiPlans, run: Run, options: CiOptions): Promise<CiOutcome> {
  const held = new Map<string, Held>();
  const { base, steps, debug } = plans;
  const outcomes = await runJobs([base, ...steps, ...(debug ? [debug.base, debug.whole] : [])], {
    ...run,
    execute: (recorder, built, runDir, execution) => {
      const { plan } = recorder;
      const side = { plan, built, execution, runDir, key: keyOfJob(plan, built), recorder };
      held.set(plan.id, side);
      return runUnlessKnown(recorder, side, options.again);
    },
  });
  const of = ({ id }: Plan) => outcomes.find(({ job }) => job.id === id)!;
  const tested = (plan: Plan): Tested => ({ outcome: of(plan), side: held.get(plan.id) ?? null });
  const groups: Group[] = [{ kernel: null, base: tested(base), steps: steps.map(tested) }];
  if (debug) {
    // Only the last step has a debug kernel.
    const before = steps.slice(1).map(() => null);
    groups.push({
      kernel: debug.config.join(','),
      base: tested(debug.base),
      steps: [...before, tested(debug.whole)],
    });
  }
  const changes: Change[] = [];
  try {
    if (!run.signal.aborted) await findChanges(groups, options, changes);
  } catch (error) {
    if (!run.signal.aborted) throw error;
  }
  return {
    base: of(base),
    steps: steps.map(of),
    debug: debug && { config: debug.config, base: of(debug.base), whole: of(debug.whole) },
    changes,
    isInterrupted: run.signal.aborted,
  };
}

/** The tests stage. */
async function runUnlessKnown(recorder: JobRecorder, side: Held, again: boolean): Promise<StageResult<void>> {
  const { built, execution, runDir, key, plan } = side;
  const { cache } = execution.context;
  const known = again ? null : await findKnown(cache, key, plan.id);
  if (known) {
    recorder.tests.push(...known.tests);
    return {
      value: undefined,
      cached: true,
      text: `${plural(known.tests.length, 'test')} of run ${known.run}`,
    };
  }
  const stage = await runTests(recorder, built, runDir, execution);
  const tests = recorder.tests.filter((test) => test !== undefined);
  await storeKnown(cache, key, basename(runDir), tests);
  return stage;
}
