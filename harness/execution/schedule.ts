// SPDX-License-Identifier: MIT
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { machineFor } from '../guest/machine.ts';
import type { Built } from '../job/build.ts';
import { countGenerations, isolationOf, jobOptions, type Plan, type PlannedSuite } from '../job/plan.ts';
import type { Line, StageResult } from '../job/recorder.ts';
import { self } from '../paths.ts';
import { Guests } from '../pool/pool.ts';
import { requireExpected } from '../results/expected.ts';
import { isBad } from '../results/judge.ts';
import type { TestResult } from '../schema.ts';
import type { Isolation } from '../suite/settings.ts';
import type { Test } from '../suite/suite.ts';
import { allEnded } from '../util/ended.ts';
import { quote } from '../util/quote.ts';
import { notRun, runTrials, type Watcher } from './attempt.ts';
import { runByCase } from './byCase.ts';
import type { NextKernel, TrialRequest } from './generation.ts';

/** kselftest's own default is 45 s on real machines. */
const defaultLimit = 60;
/** The share of the memory that is free at the start, which guests may take together. */
const memoryShare = 0.8;

/** Tests that are run one after another in one guest; or one test, alone or case by case. */
export type Unit = { isolation: Isolation; requests: TrialRequest[] };

/** Run every planned test, several guests at once; results go to `line.tests` as they come, in the plan's order. */
export async function runTests(
  line: Line,
  built: Built,
  runDir: string,
  context: Context,
): Promise<StageResult<void>> {
  const { plan, emit } = line;
  const units = built.run.flatMap((planned) => unitsOf(plan, built, planned, runDir));
  const order = new Map(units.flatMap(({ requests }) => requests).map((request, index) => [request, index]));
  emit({
    type: 'tests-planned',
    job: plan.id,
    total: order.size,
    guests: Math.min(plan.ask.jobs, order.size),
  });
  const noBoot = new Map<string, TestResult>();
  const watcher: Watcher = {
    begins: ({ job, suite, test }) => emit({ type: 'test-start', job, suite, test }),
    ended: (request, judged) => {
      const result = requireExpected(judged, request.expectSplats, request.reproduce);
      if (result.guest && result.boot_ms === null && isBad(result.verdict) && result.verdict !== 'error')
        noBoot.set(JSON.stringify(request.machine), result);
      line.tests[order.get(request)!] = result;
      emit({ type: 'test-end', job: request.job, result });
    },
    instead: (request) => {
      const { memory } = request.machine;
      if (memory > hostMemory) return notRun(request, 'error', tooLarge(memory));
      const first = noBoot.get(JSON.stringify(request.machine));
      return first ? notBooted(request, first) : null;
    },
  };
  await using guests = new Guests(plan.ask.jobs, memoryBudget(), context);
  await allEnded(
    units.map(({ isolation, requests }) =>
      isolation === 'case'
        ? runByCase(requests[0]!, guests, context, watcher)
        : runTrials(requests, guests, context, watcher),
    ),
  );
  return { value: undefined, cached: false, text: `${order.size} tests` };
}

/** MiB. */
export function memoryBudget(): number {
  return (process.availableMemory() / 2 ** 20) * memoryShare;
}

/** What there is to run of a suite. */
export function unitsOf(plan: Plan, built: Built, { suite, tests }: PlannedSuite, runDir: string): Unit[] {
  const all = tests.map((test) => {
    const isolation = isolationOf(plan, test.settings);
    return { isolation, request: requestFor(plan, built, suite.name, test, isolation, runDir) };
  });
  // Tests share a guest only if it is the one that each of them asks for.
  const groups = Map.groupBy(all, ({ isolation, request: { test, machine } }) =>
    isolation === 'suite' ? JSON.stringify(machine) : test,
  );
  return [...groups.values()].map((group) => ({
    isolation: group[0]!.isolation,
    requests: group.map(({ request }) => request),
  }));
}

function requestFor(
  plan: Plan,
  built: Built,
  suite: string,
  { name, program, settings }: Test,
  isolation: Isolation,
  runDir: string,
): TrialRequest {
  const generations = countGenerations(plan, settings);
  const next = (generation: number) => nextKernel(built, `${suite}/${program}`, generation);
  return {
    job: plan.id,
    suite,
    test: name,
    program,
    args: [],
    machine: machineFor(settings, built),
    origin: isolation === 'boot' ? 'boot' : 'fork',
    limit: settings.timeout ?? defaultLimit,
    ...(plan.ask.timeout === null ? {} : { fixedLimit: plan.ask.timeout }),
    expectSplats: settings.expect_splat ?? [],
    ...(generations > 1 ? { kexec: { generations, next } } : {}),
    runDir,
    guestDir: join(runDir, 'guests', plan.id, suite, name),
    reproduce: `cd ${quote(process.cwd())} && ${quote(self)} test ${suite}/${name}${jobOptions(plan.ask)}`,
  };
}

/** The kernels of --next in turn. What it boots is small: the agent and the one test program. */
export function nextKernel({ next }: Built, test: string, generation: number): NextKernel {
  const kernel = next.kernels[(generation - 1) % next.kernels.length]!;
  const initramfs = next.images.get(test);
  if (!initramfs) throw new Error(`no image was made for the next kernel of ${test}`);
  return { kernel, initramfs };
}

/** MiB. */
const hostMemory = Math.round(totalmem() / 2 ** 20);

function tooLarge(memory: number): string {
  return `not run: it wants a guest with ${memory} MiB of memory, this machine has ${hostMemory}`;
}

/** A kernel that did not come up for one test is not waited for again and again. */
function notBooted(one: TrialRequest, first: TestResult): TestResult {
  const why = `not run: the kernel did not boot for ${first.suite}/${first.test} (${first.detail})`;
  return notRun(one, first.verdict, why);
}
