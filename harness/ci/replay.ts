// SPDX-License-Identifier: MIT
// Runs a failed test again on two kernels, in turn and in fresh guests, until it is known whether they differ.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { notRun } from '../execution/attempt.ts';
import type { Execution } from '../execution/execution.ts';
import type { TestRequest, Unit } from '../execution/request.ts';
import { runUnit } from '../execution/unit.ts';
import { unitsOf } from '../execution/units.ts';
import type { Built } from '../job/built.ts';
import type { Plan } from '../job/plan.ts';
import type { TestResult } from '../schema.ts';
import { allEnded } from '../util/ended.ts';
import { type Answer, type Blame, pairBudget, type Replays } from './blame.ts';
import { type Failure, failsAgain, keyOf } from './failures.ts';

/** A kernel on which tests can be run again. */
export type Side = {
  plan: Plan;
  built: Built;
  execution: Execution;
  runDir: string;
  /** See keyOfJob. */
  key: string;
};

/** What the replays of a failure say. */
export type Decision = Replays & {
  failure: Failure;
  /** `undecided`: the replays did not decide within their budget, or could not be made. */
  answer: NonNullable<Answer> | 'undecided';
};

/** Pairs that are lost in a row to infrastructure errors, after which a test stays undecided. */
const maxErrors = 5;

/** Shows how far the replays of a test are. */
export type Progress = (test: string, pairs: number) => void;

/**
 * Decide failures of one test: whether `patched` fails more often than `base`. All of them are looked for in the same
 * replays.
 * @param failures of one test, at least one
 */
export async function replay(
  failures: readonly Failure[],
  { patched, base }: { patched: Side; base: Side },
  blame: Blame,
  progress: Progress,
): Promise<Decision[]> {
  const { suite, test } = failures[0]!;
  const decisions = failures.map(
    (failure): Decision => ({ failure, pairs: 0, patched: 0, base: 0, answer: 'undecided' }),
  );
  const [onPatched, onBase] = [findUnit(patched, suite, test), findUnit(base, suite, test)];
  if (!onPatched || !onBase) return decisions;
  let errors = 0;
  for (let attempt = 1; decisions.some(isOpen) && errors < maxErrors; attempt++) {
    const [first, second] = await allEnded([
      runAgain(onPatched, patched, attempt),
      runAgain(onBase, base, attempt),
    ]);
    if (first!.verdict === 'error' || second!.verdict === 'error') {
      errors++;
      continue;
    }
    errors = 0;
    for (const decision of decisions.filter(isOpen)) {
      decision.pairs++;
      if (failsAgain(decision.failure, first!)) decision.patched++;
      if (failsAgain(decision.failure, second!)) decision.base++;
      decision.answer = blame.decide(decision) ?? 'undecided';
    }
    progress(`${suite}/${test}`, Math.max(...decisions.map(({ pairs }) => pairs)));
  }
  return decisions;
}

function isOpen({ answer, pairs }: Decision): boolean {
  return answer === 'undecided' && pairs < pairBudget;
}

/** The failures of each test. */
export function byTest<T extends Failure>(failures: readonly T[]): T[][] {
  const unique = new Map(failures.map((failure) => [keyOf(failure), failure]));
  return [...Map.groupBy(unique.values(), ({ suite, test }) => `${suite}/${test}`).values()];
}

/** Whether a test can be run there: its suite may need what the series adds. */
export function hasTest({ built }: Side, { suite, test }: Failure): boolean {
  return built.run.some(
    (planned) => planned.suite.name === suite && planned.suite.tests.some(({ name }) => name === test),
  );
}

/** The test alone, although others may share its guest in the run. */
export function findUnit({ plan, built, runDir }: Side, suite: string, test: string): Unit | undefined {
  const planned = built.run.find((one) => one.suite.name === suite);
  const own = planned?.suite.tests.filter(({ name }) => name === test) ?? [];
  if (!planned || own.length === 0) return undefined;
  const [unit] = unitsOf(plan, built, { ...planned, tests: own }, runDir);
  return unit && { ...unit, isolation: unit.isolation === 'suite' ? 'test' : unit.isolation };
}

/** Run a test once more. Its logs are removed unless `isKept` wants them: those of the first run are stored. */
export async function runAgain(
  { isolation, requests }: Unit,
  { execution }: Side,
  attempt: number,
  isKept: (result: TestResult) => boolean = () => false,
): Promise<TestResult> {
  const original = requests[0]!;
  const request: TestRequest = {
    ...original,
    guestDir: join(`${original.guestDir}.replays`, String(attempt)),
  };
  let keep = false;
  try {
    const [result] = await runUnit({ isolation, requests: [request] }, execution);
    keep = result !== undefined && isKept(result);
    return result ?? notRun(request, 'error', 'no result');
  } finally {
    if (!keep) await rm(request.guestDir, { recursive: true, force: true });
  }
}
