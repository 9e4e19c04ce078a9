// SPDX-License-Identifier: MIT
// What differs between base and patched: the first runs raise questions, replays answer them.
import { commandFor } from '../execution/units.ts';
import type { JobRecorder } from '../job/recorder.ts';
import type { JobOutcome } from '../results/assemble.ts';
import type { Change, TestResult } from '../schema.ts';
import { allEnded } from '../util/ended.ts';
import { plural } from '../util/plural.ts';
import { Blame, statedError } from './blame.ts';
import { changeOf, type Direction, findNewTests, findSuspects } from './compare.ts';
import { type Failure, failuresOf, keyOf, type Reported } from './failures.ts';
import type { First } from './first.ts';
import { findDecision, storeDecision } from './known.ts';
import { askStep, locate, stepsOf } from './locate.ts';
import { byTest, type Decision, hasTest, type Progress, replay, type Side } from './replay.ts';

export type CiOptions = {
  /** A suite whose tests must fail on the base and pass with the series. */
  reproducer: string | null;
  /** Run also what was run before on the same kernels. */
  again: boolean;
  /** What to run first; null: the plan's order. */
  first: First | null;
};

/** A kernel whose tests were run, and can be run again. */
export type Held = Side & { recorder: JobRecorder };

/** A job; `side` is null if there is no kernel or no tests of it. */
export type Tested = { outcome: JobOutcome; side: Held | null };

/** What is compared: a base, and the trees after each patch in the same configuration. */
export type Group = {
  /** The config fragments that make it another kernel than the run's; null: it is that one. */
  kernel: string | null;
  base: Tested;
  /** null: no job for this patch. The last one is there. */
  steps: (Tested | null)[];
};

/** A group whose base says something of the series. */
type Comparable = Group & { base: Tested & { side: Held } };

/** What fails on one kernel, and is asked on two. */
type Question = {
  failures: Reported[];
  patched: Side;
  base: Side;
  direction: Direction;
  /** The last patch of the tree that is asked about, from 1. */
  step: number;
  group: Comparable;
};

/**
 * Find all changes.
 * @param changes gets each as soon as it is decided, so that an interruption loses only the others
 */
export async function findChanges(groups: Group[], options: CiOptions, changes: Change[]): Promise<void> {
  const { reproducer } = options;
  const comparable = groups.filter(isComparable);
  for (const { base, steps } of comparable) {
    const [before, after] = [base, steps.at(-1)!].map(
      ({ outcome }) => split(outcome.tests, reproducer).others,
    );
    changes.push(...findNewTests(after!, before!));
  }
  const questions = comparable.flatMap((group) => questionsOf(group, reproducer));
  const count = questions.reduce((sum, { failures }) => sum + failures.length, 0);
  if (count === 0) return;
  const { steps, base } = comparable[0]!;
  // Every answer counts for the error of the run: half of it is for what is new, half for the patch it comes with.
  const blame = new Blame(count, statedError / 2);
  const halving = new Blame(Math.max(count * stepsOf(steps.length), 1), statedError / 2);
  const { recorder } = steps.at(-1)?.side ?? base.side;
  await recorder.stage('replays', async ({ progress }) => {
    const show = (test: string, pairs: number) =>
      progress(`${test}, ${plural(pairs, 'time')} on each kernel`);
    const answering = { blame, halving, show, ...options };
    await allEnded(
      questions.map(async (question) => {
        for await (const change of answer(question, answering)) changes.push(change);
      }),
    );
    const fails = changes.filter(({ kind }) => kind === 'new-failure').length;
    return { value: undefined, cached: false, text: `${plural(count, 'failure')}, ${fails} new` };
  });
}

/** A base that fails by itself says nothing of a series. */
function isComparable(group: Group): group is Comparable {
  const { outcome, side } = group.base;
  return side !== null && outcome.error === null && boots(outcome);
}

/** Whether some test of a job got as far as the agent's hello; also if it had none. */
export function boots({ tests }: JobOutcome): boolean {
  return tests.length === 0 || tests.some(({ boot_ms }) => boot_ms !== null);
}

/** No test of a job had a guest: their programs don't build, or the host lacks something. Nothing is known of its kernel. */
export function ranNothing({ tests }: JobOutcome): boolean {
  return tests.length > 0 && tests.every(({ guest }) => guest === null);
}

/** The results of the reproducer, and those of all other suites. */
function split(tests: readonly TestResult[], reproducer: string | null) {
  return {
    own: tests.filter(({ suite }) => suite === reproducer),
    others: tests.filter(({ suite }) => suite !== reproducer),
  };
}

function questionsOf(group: Comparable, reproducer: string | null): Question[] {
  const last = group.steps.at(-1)!;
  const inSteps = askSteps(group);
  if (last.side === null) return inSteps;
  const { own, others } = split(last.outcome.tests, reproducer);
  const before = split(group.base.outcome.tests, reproducer).others;
  return [...askWhole(others, before, last.side, group), ...askReproducer(own, last.side, group), ...inSteps];
}

/** The whole series against the base. */
function askWhole(after: TestResult[], before: TestResult[], side: Side, group: Comparable): Question[] {
  const { rises, falls } = findSuspects(after, before);
  const base = group.base.side;
  const step = group.steps.length;
  return [
    ...byTest(rises).map((failures): Question => {
      return { failures, patched: side, base, direction: 'rise', step, group };
    }),
    ...byTest(falls).map((failures): Question => {
      return { failures, patched: base, base: side, direction: 'fall', step, group };
    }),
  ];
}

/** Asked whatever its first run says: a bug may show itself now and then. */
function askReproducer(results: TestResult[], side: Side, group: Comparable): Question[] {
  return results.map(({ suite, test, detail }): Question => {
    const failures = [{ suite, test, case: null, splat: null, detail }];
    return {
      failures,
      patched: group.base.side,
      base: side,
      direction: 'fall',
      step: group.steps.length,
      group,
    };
  });
}

/** What fails in the middle of the series, at neither of its ends, is asked of the first patch where it does. */
function askSteps(group: Comparable): Question[] {
  const { base, steps } = group;
  const ends = [...base.outcome.tests, ...steps.at(-1)!.outcome.tests];
  const known = new Set(ends.flatMap(failuresOf).map(keyOf));
  return steps.slice(0, -1).flatMap((one, index) => {
    const side = one?.side;
    if (!side) return [];
    const { rises } = findSuspects(one.outcome.tests, base.outcome.tests);
    const fresh = rises.filter((failure) => !known.has(keyOf(failure)));
    for (const failure of fresh) known.add(keyOf(failure));
    return byTest(fresh).map((failures): Question => {
      return { failures, patched: side, base: base.side, direction: 'rise', step: index + 1, group };
    });
  });
}

type Answering = { blame: Blame; halving: Blame; show: Progress } & CiOptions;

async function* answer(
  { failures, patched, base, direction, step, group }: Question,
  answering: Answering,
): AsyncGenerator<Change> {
  for (const decision of await decide(failures, { patched, base }, answering)) {
    const { detail } = failures.find((failure) => keyOf(failure) === keyOf(decision.failure))!;
    const commands = commandsOf(decision.failure, group, step, answering.reproducer);
    const change = onKernel(group.kernel, changeOf(decision, direction, detail, commands));
    // Only the last step has a debug kernel.
    const isLocated = change.kind === 'new-failure' && group.kernel === null;
    yield isLocated ? await withPatch(change, step, group, answering) : change;
  }
}

/** A change on another kernel than the run's says so. */
function onKernel(kernel: string | null, change: Change): Change {
  return kernel === null ? change : { ...change, kernel, sentence: `${change.sentence}, with ${kernel}` };
}

/** What was decided before between the same tests on the same kernels stands. */
async function decide(
  failures: readonly Failure[],
  sides: { patched: Side; base: Side },
  { blame, show, again }: Pick<Answering, 'blame' | 'show' | 'again'>,
): Promise<Decision[]> {
  const { cache } = sides.base.execution.context;
  const keys = [sides.patched.key, sides.base.key];
  const plain = failures.map(withoutReason);
  const known = await Promise.all(
    plain.map((failure) => (again ? null : findDecision(cache, keys, failure, blame.each))),
  );
  const open = plain.filter((_, index) => !known[index]);
  const fresh = open.length === 0 ? [] : await replay(open, sides, blame, show);
  for (const decision of fresh) await storeDecision(cache, keys, decision, blame.each);
  return [...known.filter((decision) => decision !== null), ...fresh];
}

/** The reason may differ from run to run. */
function withoutReason({ suite, test, case: name, splat }: Failure): Failure {
  return { suite, test, case: name, splat };
}

/** The first patch with which it is seen to fail. */
async function withPatch(
  change: Change,
  step: number,
  { base, steps }: Comparable,
  { halving, ...answering }: Answering,
): Promise<Change> {
  const whole = steps[step - 1]!.side!;
  const ask = async (patched: Side, other: Side) => {
    const [decision] = await decide([change], { patched, base: other }, { ...answering, blame: halving });
    return decision!.answer;
  };
  const found = await locate(step, async (patch) => {
    const side = steps[patch - 1]?.side;
    if (!side) return 'skip';
    if (!hasTest(side, change)) return 'not-new';
    return askStep(
      () => ask(side, base.side),
      () => ask(whole, side),
    );
  });
  if ('first' in found) return { ...change, patch: found.first };
  const { from, to } = found;
  const unknown = to - from === 1 ? `patch ${from}` : `patches ${from} to ${to - 1}`;
  const hasKernel = steps.slice(from - 1, to - 1).some((tested) => (tested?.side ?? null) !== null);
  const why = hasKernel ? 'may have it, too' : "can't be tested alone";
  return { ...change, patch: to, sentence: `${change.sentence}; ${unknown} ${why}` };
}

/** A reproducer is no suite that `kiln test` knows. */
function commandsOf(
  { suite, test }: Failure,
  { base, steps }: Comparable,
  step: number,
  reproducer: string | null,
): Change['reproduce'] {
  const on = (side: Side | null | undefined) =>
    side && suite !== reproducer ? commandFor(side.plan, suite, test) : null;
  return { patched: on(steps[step - 1]?.side), base: on(base.side) };
}
