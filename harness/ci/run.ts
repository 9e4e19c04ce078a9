// SPDX-License-Identifier: MIT
// A series on its base, patch by patch: jobs, then what differs between them.
import { basename } from 'node:path';
import type { TestRequest } from '../execution/request.ts';
import { runTests } from '../execution/schedule.ts';
import type { Plan } from '../job/plan.ts';
import type { JobRecorder, StageResult } from '../job/recorder.ts';
import { haveSameCode } from '../kernel/kernel.ts';
import type { JobOutcome } from '../results/assemble.ts';
import { type Run, runJobs } from '../run.ts';
import type { Change } from '../schema.ts';
import { plural } from '../util/plural.ts';
import { type CiOptions, findChanges, type Group, type Held, type Tested } from './changes.ts';
import { describeFirst } from './first.ts';
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
  /** Patches that change no code in this configuration, by number: their kernels run no tests. */
  sameCode: ReadonlySet<number>;
  /** Ended before all was decided. */
  isInterrupted: boolean;
};

/** Run the jobs, compare base and patched, replay what failed, and find the patches. */
export async function runCi(plans: CiPlans, run: Run, options: CiOptions): Promise<CiOutcome> {
  const held = new Map<string, Held>();
  const sameCode = new Set<number>();
  const { base, steps, debug } = plans;
  const parents = parentsOf(plans);
  const outcomes = await runJobs([base, ...steps, ...(debug ? [debug.base, debug.whole] : [])], {
    ...run,
    execute: async (recorder, built, runDir, execution) => {
      const { plan } = recorder;
      const side = { plan, built, execution, runDir, key: keyOfJob(plan, built), recorder };
      held.set(plan.id, side);
      const parent = held.get(parents.get(plan.id) ?? '');
      const isSameImage = parent?.built.image.key === built.image.key;
      if (parent && isSameImage && (await haveSameCode(parent.built.kernel, built.kernel))) {
        if (steps.includes(plan)) sameCode.add(steps.indexOf(plan) + 1);
        return { value: undefined, cached: true, text: 'none: no code changed in this configuration' };
      }
      return runUnlessKnown(recorder, side, options, plan === steps.at(-1));
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
    sameCode,
    isInterrupted: run.signal.aborted,
  };
}

/** With which job's kernel each is compared: a step with the one before, the whole series with the base. */
function parentsOf({ base, steps, debug }: CiPlans): Map<string, string> {
  const parents = steps.map(({ id }, index) => [id, steps[index - 1]?.id ?? base.id] as const);
  const whole = [steps.at(-1)!.id, base.id] as const;
  return new Map([...parents, whole, ...(debug ? [[debug.whole.id, debug.base.id] as const] : [])]);
}

/** The tests stage. @param isLast says what runs first: once is enough */
async function runUnlessKnown(
  recorder: JobRecorder,
  side: Held,
  { again, first }: CiOptions,
  isLast: boolean,
): Promise<StageResult<void>> {
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
  const all = built.run.flatMap(({ suite, tests }) => tests.map(({ name }) => `${suite.name}/${name}`));
  const own = all.filter((name) => first?.tests.includes(name));
  if (first && own.length > 0 && isLast) execution.context.note('info', describeFirst(first, own));
  const isFirst = ({ suite, test }: TestRequest) => own.includes(`${suite}/${test}`);
  const stage = await runTests(recorder, built, runDir, { ...execution, isFirst });
  const tests = recorder.tests.filter((test) => test !== undefined);
  await storeKnown(cache, key, basename(runDir), tests);
  return stage;
}
