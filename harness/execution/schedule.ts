// SPDX-License-Identifier: MIT
import type { Built } from '../job/built.ts';
import type { JobRecorder, StageResult } from '../job/recorder.ts';
import { isBad } from '../results/judge.ts';
import type { TestResult } from '../schema.ts';
import { allEnded } from '../util/ended.ts';
import { plural } from '../util/plural.ts';
import { notRun } from './attempt.ts';
import type { Execution } from './execution.ts';
import type { TestRequest } from './request.ts';
import { runUnit, type Watcher } from './unit.ts';
import { unitsOf } from './units.ts';

/**
 * Run every planned test of a job, several guests at once; results go to `recorder.tests` as they come, in the plan's
 * order.
 */
export async function runTests(
  recorder: JobRecorder,
  built: Built,
  runDir: string,
  execution: Execution,
): Promise<StageResult<void>> {
  const { plan, emit } = recorder;
  const units = built.run.flatMap((planned) => unitsOf(plan, built, planned, runDir));
  const order = new Map(units.flatMap(({ requests }) => requests).map((request, index) => [request, index]));
  const total = order.size;
  emit({ type: 'tests-planned', job: plan.id, total, guests: Math.min(execution.pool.slots, total) });
  const unbootable = new Unbootable();
  const watcher: Watcher = {
    begins: ({ job, suite, test }) => emit({ type: 'test-start', job, suite, test }),
    ended: (request, result) => {
      unbootable.note(request, result);
      recorder.tests[order.get(request)!] = result;
      emit({ type: 'test-end', job: request.job, result });
    },
  };
  const refuse = (request: TestRequest) => unbootable.refuse(request);
  const { isFirst = () => false } = execution;
  const [first, others] = [true, false].map((wanted) =>
    units.filter(({ requests }) => requests.some(isFirst) === wanted),
  );
  await allEnded([...first!, ...others!].map((unit) => runUnit(unit, { ...execution, refuse }, watcher)));
  return { value: undefined, cached: false, text: `${plural(total, 'test')}` };
}

/** Machines on which the kernel did not boot: their other tests don't run, as each would wait for a boot. */
class Unbootable {
  readonly #first = new Map<string, TestResult>();

  note({ machine }: TestRequest, result: TestResult): void {
    const { guest, boot_ms, verdict } = result;
    const key = JSON.stringify(machine);
    if (guest && boot_ms === null && isBad(verdict) && verdict !== 'error' && !this.#first.has(key))
      this.#first.set(key, result);
  }

  refuse(request: TestRequest): TestResult | null {
    const first = this.#first.get(JSON.stringify(request.machine));
    if (!first) return null;
    const why = `not run: the kernel did not boot for ${first.suite}/${first.test} (${first.detail})`;
    return notRun(request, first.verdict, why);
  }
}
