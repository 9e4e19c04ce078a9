// SPDX-License-Identifier: MIT
// A series on its base, patch by patch, and what it changes: jobs, then replays of what failed.
import type { Execution } from '../execution/execution.ts';
import { runTests } from '../execution/schedule.ts';
import type { Built } from '../job/built.ts';
import type { Plan } from '../job/plan.ts';
import type { JobRecorder } from '../job/recorder.ts';
import type { JobOutcome } from '../results/assemble.ts';
import { type Run, runJobs } from '../run.ts';
import type { Change, TestResult } from '../schema.ts';
import { allEnded } from '../util/ended.ts';
import { plural } from '../util/plural.ts';
import { Blame } from './blame.ts';
import { changeOf, type Direction, findNewTests, findSuspects } from './compare.ts';
import { type Failure, failuresOf, keyOf, type Reported } from './failures.ts';
import { locate, stepsOf } from './locate.ts';
import type { CiPlans } from './plans.ts';
import { byTest, hasTest, replay, type Side } from './replay.ts';

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

/** What is known of a job whose kernel and tests were built. */
type Held = Side & { recorder: JobRecorder };

/**
 * Run the jobs, compare base and patched, replay what failed, and find the patches.
 * @param reproducer a suite whose tests must fail on the base and pass with the series
 */
export async function runCi(plans: CiPlans, run: Run, reproducer: string | null = null): Promise<CiOutcome> {
  const held = new Map<string, Held>();
  const hold = (recorder: JobRecorder, built: Built, runDir: string, execution: Execution) => {
    held.set(recorder.plan.id, { recorder, built, execution, runDir, plan: recorder.plan });
    return runTests(recorder, built, runDir, execution);
  };
  const { base, steps, debug } = plans;
  const all = [base, ...steps, ...(debug ? [debug.base, debug.whole] : [])];
  const outcomes = await runJobs(all, { ...run, execute: hold });
  const of = ({ id }: Plan) => outcomes.find(({ job }) => job.id === id)!;
  const groupOf = (kernel: string | null, first: Plan, others: (Plan | null)[]): Group[] => {
    const side = held.get(first.id);
    const sides = others.map((plan) => (plan && held.get(plan.id)) ?? null);
    if (!side) return [];
    return [
      {
        kernel,
        base: of(first),
        steps: others.map((plan) => plan && of(plan)),
        sides: { base: side, steps: sides },
      },
    ];
  };
  // Only the last step has a debug kernel.
  const onDebug = debug && [...steps.slice(1).map(() => null), debug.whole];
  const groups = [
    ...groupOf(null, base, steps),
    ...(debug && onDebug ? groupOf(debug.config.join(','), debug.base, onDebug) : []),
  ];
  const changes: Change[] = [];
  try {
    if (!run.signal.aborted) await findChanges(groups.filter(isComparable), reproducer, changes);
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

/** Whether some test of a job got as far as the agent's hello; also if it had none. */
export function boots({ tests }: JobOutcome): boolean {
  return tests.length === 0 || tests.some(({ boot_ms }) => boot_ms !== null);
}

/** What is compared: a base, and the same configuration after the patches; null: there is no kernel after that one. */
type Group = {
  /** The fragments that make it another kernel than the run's; null: it is that one. */
  kernel: string | null;
  base: JobOutcome;
  steps: (JobOutcome | null)[];
  sides: Sides;
};

type Sides = { base: Held; steps: (Held | null)[] };

/** What fails on one kernel, and is asked on two. */
type Question = {
  failures: Reported[];
  patched: Side;
  base: Side;
  direction: Direction;
  /** The last patch of the tree that is asked, from 1. */
  step: number;
  group: Group;
};

/** A base that fails by itself says nothing of a series. */
function isComparable({ base }: Group): boolean {
  return base.error === null && boots(base);
}

/** @param changes gets each as soon as it is decided */
async function findChanges(groups: Group[], reproducer: string | null, changes: Change[]): Promise<void> {
  const questions = groups.flatMap((group) => questionsOf(group, reproducer));
  for (const group of groups) changes.push(...newTestsOf(group, reproducer));
  const count = questions.reduce((sum, { failures }) => sum + failures.length, 0);
  if (count === 0) return;
  // Every statement counts: also which patch each failure comes with.
  const blame = new Blame(count * (1 + stepsOf(groups[0]!.steps.length)));
  const { recorder } = groups[0]!.sides.steps.at(-1) ?? groups[0]!.sides.base;
  await recorder.stage('replays', async ({ progress }) => {
    const show = (test: string, pairs: number) =>
      progress(`${test}, ${plural(pairs, 'time')} on each kernel`);
    await allEnded(
      questions.map(async (question) => {
        for await (const change of answer(question, { blame, show })) changes.push(change);
      }),
    );
    const fails = changes.filter(({ kind }) => kind === 'new-failure').length;
    return { value: undefined, cached: false, text: `${plural(count, 'failure')}, ${fails} new` };
  });
}

function questionsOf(group: Group, reproducer: string | null): Question[] {
  const { base, steps, sides } = group;
  const last = steps.at(-1)!;
  const onLast = sides.steps.at(-1);
  const { own, others } = split(last.tests, reproducer);
  return [
    ...(onLast ? askWhole(others, split(base.tests, reproducer).others, onLast, group) : []),
    ...(onLast ? askReproducer(own, onLast, group) : []),
    ...askSteps(group),
  ];
}

function newTestsOf({ base, steps }: Group, reproducer: string | null): Change[] {
  return findNewTests(split(steps.at(-1)!.tests, reproducer).others, split(base.tests, reproducer).others);
}

/** The results of the reproducer, and those of all other suites. */
function split(tests: readonly TestResult[], reproducer: string | null) {
  return {
    own: tests.filter(({ suite }) => suite === reproducer),
    others: tests.filter(({ suite }) => suite !== reproducer),
  };
}

/** The whole series against the base. */
function askWhole(patched: TestResult[], base: TestResult[], side: Side, group: Group): Question[] {
  const { rises, falls } = findSuspects(patched, base);
  const step = group.steps.length;
  return [
    ...byTest(rises).map(
      (failures): Question => ({
        ...{ failures, patched: side, base: group.sides.base, direction: 'rise', step, group },
      }),
    ),
    ...byTest(falls).map(
      (failures): Question => ({
        ...{ failures, patched: group.sides.base, base: side, direction: 'fall', step, group },
      }),
    ),
  ];
}

/** Asked whatever its first run says: a bug may show itself now and then. */
function askReproducer(results: TestResult[], side: Side, group: Group): Question[] {
  return results.map(
    ({ suite, test, detail }): Question => ({
      failures: [{ suite, test, case: null, splat: null, detail }],
      ...{ patched: group.sides.base, base: side, direction: 'fall', step: group.steps.length, group },
    }),
  );
}

/** What fails in the middle of the series, and not at its end, is asked of the first patch where it does. */
function askSteps(group: Group): Question[] {
  const { base, steps, sides } = group;
  const known = new Set(steps.at(-1)!.tests.flatMap(failuresOf).map(keyOf));
  return steps.slice(0, -1).flatMap((step, index) => {
    const side = sides.steps[index];
    if (!side || !step) return [];
    const { rises } = findSuspects(step.tests, base.tests);
    const fresh = rises.filter((failure) => !known.has(keyOf(failure)));
    for (const failure of fresh) known.add(keyOf(failure));
    return byTest(fresh).map(
      (failures): Question => ({
        ...{ failures, patched: side, base: sides.base, direction: 'rise', step: index + 1, group },
      }),
    );
  });
}

type Answering = { blame: Blame; show: (test: string, pairs: number) => void };

async function* answer(
  { failures, patched, base, direction, step, group }: Question,
  { blame, show }: Answering,
): AsyncGenerator<Change> {
  for (const decision of await replay(failures, { patched, base }, blame, show)) {
    const { detail } = failures.find((failure) => keyOf(failure) === keyOf(decision.failure))!;
    const change = {
      ...changeOf(decision, direction, detail, commandsOf(decision.failure, group, step)),
      ...(group.kernel === null ? {} : { kernel: group.kernel }),
    };
    yield change.kind === 'new-failure'
      ? await withPatch(change, step, group.sides, { blame, show })
      : change;
  }
}

/** The first patch, if each step can be decided. */
async function withPatch(
  change: Change,
  step: number,
  sides: Sides,
  { blame, show }: Answering,
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

function commandsOf({ suite, test }: Failure, { base, steps }: Group, step: number): Change['reproduce'] {
  const on = (outcome: JobOutcome | null | undefined) =>
    outcome?.tests.find((one) => one.suite === suite && one.test === test)?.reproduce ?? null;
  return { patched: on(steps[step - 1]), base: on(base) };
}
