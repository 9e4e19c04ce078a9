// SPDX-License-Identifier: MIT
// The tests of a mutant: the one that must notice it, then the others until one fails.
import type { Built } from '../job/built.ts';
import type { JobRecorder, StageResult } from '../job/recorder.ts';
import { isBad } from '../results/judge.ts';
import type { TestResult } from '../schema.ts';
import { allEnded } from '../util/ended.ts';
import { notRun } from './attempt.ts';
import type { Execution } from './execution.ts';
import type { TestRequest, Unit } from './request.ts';
import { runUnit } from './unit.ts';
import { unitsOf } from './units.ts';

/** Who noticed a mutant. `named`: the case that must. */
export type Caught = { test: string; case: string | null; detail: string; named: boolean };

/** Milliseconds that each test takes without a mutant, by `suite/test`. */
export type GoodTimes = Readonly<Record<string, number>>;

/** `caught` is null if all tests passed. Throws if a test could not be run. */
export async function runMutant(
  wanted: { test: string; case: string | null },
  good: GoodTimes,
  recorder: JobRecorder,
  built: Built,
  runDir: string,
  execution: Execution,
): Promise<StageResult<Caught | null>> {
  const { plan, emit } = recorder;
  const units = built.run
    .flatMap((planned) => unitsOf(plan, built, planned, runDir))
    .map((unit) => ({ ...unit, requests: unit.requests.map((request) => shorten(request, good)) }));
  const isNamed = ({ requests }: Unit) =>
    requests.some(({ suite, test }) => `${suite}/${test}` === wanted.test);
  let caught: Caught | null = null;
  const watcher = {
    begins: ({ job, suite, test }: TestRequest) => emit({ type: 'test-start', job, suite, test }),
    ended: (_: TestRequest, result: TestResult) => {
      if (caught && result.guest === null) return;
      recorder.tests.push(result);
      emit({ type: 'test-end', job: plan.id, result });
      caught ??= noticed(result, wanted);
    },
  };
  const refuse = (request: TestRequest) => (caught ? notRun(request, 'skip', 'the mutant is caught') : null);
  const run = (some: Unit[]) =>
    allEnded(some.map((unit) => runUnit(unit, { ...execution, refuse }, watcher)));
  await run(units.filter(isNamed));
  if (caught === null) await run(units.filter((unit) => !isNamed(unit)));
  return { value: caught, cached: false, text: caught === null ? 'all passed' : 'caught' };
}

/**
 * A mutant may stop a test for good. Its settings' limit allows for slow kernels, and mutants run on one kernel whose
 * time is known: three times that, and time for kselftest to end one case that hangs.
 */
export function shorten(request: TestRequest, good: GoodTimes): TestRequest {
  const known = good[`${request.suite}/${request.test}`];
  if (known === undefined) return request;
  return { ...request, limit: Math.min(request.limit, 45 + (3 * known) / 1000) };
}

function noticed(result: TestResult, wanted: { test: string; case: string | null }): Caught | null {
  if (!isBad(result.verdict) || result.verdict === 'error') return null;
  const test = `${result.suite}/${result.test}`;
  const failed = result.cases.filter(({ verdict }) => isBad(verdict)).map(({ name }) => name);
  const isCase = wanted.case === null || failed.includes(wanted.case) || isLost(result);
  const named = test === wanted.test && isCase;
  return {
    test,
    case: named && wanted.case !== null ? wanted.case : (failed[0] ?? null),
    detail: result.detail,
    named,
  };
}

/** The guest died or hung, or its kernel complained: the cases alone do not say where. */
function isLost({ verdict, cases, splats }: TestResult): boolean {
  return (
    verdict === 'crash' ||
    verdict === 'timeout' ||
    splats.length > 0 ||
    cases.every(({ verdict: one }) => !isBad(one))
  );
}
