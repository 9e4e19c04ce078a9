// SPDX-License-Identifier: MIT
// A series on its base, patch by patch, and what it changes: jobs, then replays of what failed.
import type { Execution } from '../execution/execution.ts';
import { runTests } from '../execution/schedule.ts';
import type { Built } from '../job/built.ts';
import type { JobRecorder } from '../job/recorder.ts';
import type { JobOutcome } from '../results/assemble.ts';
import { type Run, runJobs } from '../run.ts';
import type { Change, TestResult } from '../schema.ts';
import { plural } from '../util/plural.ts';
import { Blame } from './blame.ts';
import { changeOf, type Direction, findNewTests, findSuspects } from './compare.ts';
import { type Failure, failuresOf, keyOf, type Reported } from './failures.ts';
import { locate, stepsOf } from './locate.ts';
import type { CiPlans } from './plans.ts';
import { byTest, hasTest, replay, type Side } from './replay.ts';

/** The outcomes of the base and of each step, in this order, and what differs between them. */
export type CiOutcome = { base: JobOutcome; steps: JobOutcome[]; changes: Change[] };

/** What is known of a job whose kernel and tests were built. */
type Held = Side & { recorder: JobRecorder };

/**
 * Run the jobs, compare base and patched, replay what failed, and find the patches.
 * @param reproducer a suite whose tests must fail on the base and pass with the series
 */
export async function runCi(
  { base, steps }: CiPlans,
  run: Run,
  reproducer: string | null = null,
): Promise<CiOutcome> {
  const held = new Map<string, Held>();
  const hold = (recorder: JobRecorder, built: Built, runDir: string, execution: Execution) => {
    held.set(recorder.plan.id, { recorder, built, execution, runDir, plan: recorder.plan });
    return runTests(recorder, built, runDir, execution);
  };
  const [first, ...others] = await runJobs([base, ...steps], { ...run, execute: hold });
  const outcome = { base: first!, steps: others };
  const onBase = held.get(base.id);
  const isOver = run.signal.aborted || first!.error !== null || !boots(first!) || onBase === undefined;
  if (isOver) return { ...outcome, changes: [] };
  const sides = steps.map((plan) => held.get(plan.id) ?? null);
  const changes = await findChanges(outcome, { base: onBase, steps: sides }, reproducer);
  return { ...outcome, changes };
}

/** Whether some test of a job got as far as the agent's hello; also if it had none. */
export function boots({ tests }: JobOutcome): boolean {
  return tests.length === 0 || tests.some(({ boot_ms }) => boot_ms !== null);
}

type Sides = { base: Held; steps: (Held | null)[] };

/** What fails on one kernel, and is asked on two. */
type Question = { failures: Reported[]; patched: Side; base: Side; direction: Direction; step: number };

async function findChanges(
  { base, steps }: Omit<CiOutcome, 'changes'>,
  sides: Sides,
  reproducer: string | null,
): Promise<Change[]> {
  const last = steps.at(-1)!;
  const onLast = sides.steps.at(-1);
  const isReproducer = ({ suite }: TestResult) => suite === reproducer;
  const others = (tests: TestResult[]) => tests.filter((one) => !isReproducer(one));
  const questions = [
    ...(onLast ? askWhole(others(last.tests), others(base.tests), onLast, sides) : []),
    ...(onLast ? askReproducer(last.tests.filter(isReproducer), onLast, sides) : []),
    ...askSteps(steps, base.tests, sides),
  ];
  const fresh = onLast ? findNewTests(others(last.tests), others(base.tests)) : [];
  const count = questions.reduce((sum, { failures }) => sum + failures.length, 0);
  if (count === 0) return fresh;
  // Every statement counts: also which patch each failure comes with.
  const blame = new Blame(count * (1 + stepsOf(steps.length)));
  const { recorder } = onLast ?? sides.base;
  const decided = await recorder.stage('replays', async ({ progress }) => {
    const show = (test: string, pairs: number) =>
      progress(`${test}, ${plural(pairs, 'time')} on each kernel`);
    const all = await Promise.all(
      questions.map((question) =>
        answer(question, sides, { blame, show, results: [...base.tests, ...last.tests] }),
      ),
    );
    const changes = all.flat();
    const fails = changes.filter(({ kind }) => kind === 'new-failure').length;
    return { value: changes, cached: false, text: `${plural(count, 'failure')}, ${fails} new` };
  });
  return [...decided, ...fresh];
}

/** The whole series against the base. */
function askWhole(patched: TestResult[], base: TestResult[], side: Side, sides: Sides): Question[] {
  const { rises, falls } = findSuspects(patched, base);
  const step = sides.steps.length;
  return [
    ...byTest(rises).map(
      (failures): Question => ({
        ...{ failures, patched: side, base: sides.base, direction: 'rise', step },
      }),
    ),
    ...byTest(falls).map(
      (failures): Question => ({
        ...{ failures, patched: sides.base, base: side, direction: 'fall', step },
      }),
    ),
  ];
}

/** Asked whatever its first run says: a bug may show itself now and then. */
function askReproducer(results: TestResult[], side: Side, sides: Sides): Question[] {
  return results.map(
    ({ suite, test, detail }): Question => ({
      failures: [{ suite, test, case: null, splat: null, detail }],
      ...{ patched: sides.base, base: side, direction: 'fall', step: sides.steps.length },
    }),
  );
}

/** What fails in the middle of the series, and not at its end, is asked of the first patch where it does. */
function askSteps(steps: readonly JobOutcome[], base: TestResult[], sides: Sides): Question[] {
  const known = new Set(steps.at(-1)!.tests.flatMap(failuresOf).map(keyOf));
  return steps.slice(0, -1).flatMap(({ tests }, index) => {
    const side = sides.steps[index];
    if (!side) return [];
    const { rises } = findSuspects(tests, base);
    const fresh = rises.filter((failure) => !known.has(keyOf(failure)));
    for (const failure of fresh) known.add(keyOf(failure));
    return byTest(fresh).map(
      (failures): Question => ({
        ...{ failures, patched: side, base: sides.base, direction: 'rise', step: index + 1 },
      }),
    );
  });
}

type Answering = { blame: Blame; show: (test: string, pairs: number) => void; results: TestResult[] };

async function answer(
  { failures, patched, base, direction, step }: Question,
  sides: Sides,
  { blame, show, results }: Answering,
): Promise<Change[]> {
  const decisions = await replay(failures, { patched, base }, blame, show);
  const changes: Change[] = [];
  for (const decision of decisions) {
    const { detail } = failures.find((failure) => keyOf(failure) === keyOf(decision.failure))!;
    const change = changeOf(decision, direction, detail, commandsOf(decision.failure, sides, step, results));
    changes.push(
      change.kind === 'new-failure' ? await withPatch(change, step, sides, { blame, show }) : change,
    );
  }
  return changes;
}

/** The first patch, if each step can be decided. */
async function withPatch(
  change: Change,
  step: number,
  sides: Sides,
  { blame, show }: Pick<Answering, 'blame' | 'show'>,
): Promise<Change> {
  const failure: Failure = change;
  const found = await locate(step, async (patch) => {
    const side = sides.steps[patch - 1];
    if (!side) return 'skip';
    if (!hasTest(side, failure)) return 'not-new';
    const [decision] = await replay([failure], { patched: side, base: sides.base }, blame, show);
    return decision!.answer === 'undecided' ? 'skip' : decision!.answer;
  });
  if ('first' in found) return { ...change, patch: found.first };
  return { ...change, sentence: `${change.sentence}; with one of the patches ${found.from} to ${found.to}` };
}

function commandsOf(
  { suite, test }: Failure,
  { base, steps }: Sides,
  step: number,
  results: readonly TestResult[],
): Change['reproduce'] {
  const on = (job: string | undefined) =>
    results.find((one) => one.job === job && one.suite === suite && one.test === test)?.reproduce ?? null;
  return { patched: on(steps[step - 1]?.plan.id), base: on(base.plan.id) };
}
