// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import { asKilnError } from './errors.ts';
import { machineFor } from './guest/machine.ts';
import type { Built } from './job.ts';
import type { Line, StageResult } from './line.ts';
import { self } from './paths.ts';
import { jobOptions, type Plan, type PlannedSuite } from './plan.ts';
import type { TestResult } from './results/schema.ts';
import { runTrial, type TrialRequest } from './trial.ts';
import type { Context } from './util/context.ts';
import { quote } from './util/quote.ts';

/** kselftest's own default is 45 s on real machines. */
const defaultLimit = 60;

/** Run every planned test, several guests at once; results go to `line.tests` as they come, in the plan's order. */
export async function runTests(
  line: Line,
  built: Built,
  runDir: string,
  context: Context,
): Promise<StageResult<void>> {
  const { plan, emit } = line;
  const requests = built.run.flatMap((planned) =>
    planned.tests.map((test) => request(plan, built, planned, test, runDir)),
  );
  const guests = Math.min(plan.ask.jobs, requests.length);
  emit({ type: 'tests-planned', job: plan.id, total: requests.length, guests });
  const noBoot = new Map<string, TestResult>();
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < requests.length; index = next++) {
      context.signal.throwIfAborted();
      const one = requests[index]!;
      emit({ type: 'test-start', job: one.job, suite: one.suite, test: one.test });
      const machine = JSON.stringify(one.machine);
      const failed = noBoot.get(machine);
      const result = failed ? notBooted(one, failed) : await tryTrial(one, context);
      if (result.guest && result.boot_ms === null && result.verdict !== 'error') noBoot.set(machine, result);
      line.tests[index] = result;
      emit({ type: 'test-end', job: one.job, result });
    }
  };
  // All of them are at their end before anything is thrown: nothing runs on behind a report.
  const ends = await Promise.allSettled(Array.from({ length: guests }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return { value: undefined, cached: false, text: `${requests.length} tests` };
}

/** A guest that we can't start or follow is an error of this test; the others go on. */
async function tryTrial(one: TrialRequest, context: Context): Promise<TestResult> {
  try {
    return await runTrial(one, context);
  } catch (thrown) {
    context.signal.throwIfAborted();
    const { message, hint } = asKilnError(thrown);
    return notRun(one, 'error', [message, hint].filter(Boolean).join('; '));
  }
}

function request(
  plan: Plan,
  built: Built,
  planned: PlannedSuite,
  test: string,
  runDir: string,
): TrialRequest {
  const { suite } = planned;
  const machine = machineFor(suite.settings, {
    accelerator: built.accelerator,
    kernel: join(built.kernel.dir, 'vmlinux'),
    initrd: built.image.path,
  });
  return {
    job: plan.id,
    suite: suite.name,
    test,
    machine,
    limit: plan.ask.timeout ?? suite.settings.timeout ?? defaultLimit,
    runDir,
    guestDir: join(runDir, 'guests', plan.id, suite.name, test),
    reproduce: `cd ${quote(process.cwd())} && ${quote(self)} test ${suite.name}/${test}${jobOptions(plan.ask)}`,
  };
}

/** A kernel that did not come up for one test is not waited for again and again. */
function notBooted(one: TrialRequest, first: TestResult): TestResult {
  const why = `not run: the kernel did not boot for ${first.suite}/${first.test} (${first.detail})`;
  return notRun(one, first.verdict, why);
}

function notRun(
  { suite, test, job, reproduce }: TrialRequest,
  verdict: TestResult['verdict'],
  detail: string,
): TestResult {
  const nothing = {
    cases: [],
    splats: [],
    problems: [],
    artifacts: [],
    duration_ms: 0,
    boot_ms: null,
    guest: null,
  };
  return { suite, test, job, verdict, detail, ...nothing, reproduce };
}
