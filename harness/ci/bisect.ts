// SPDX-License-Identifier: MIT
// Finds the first commit with which a test fails: git chooses commits, runs of the test decide each.
import { KilnError } from '../errors.ts';
import { plural } from '../util/plural.ts';
import { decide, errorOf, failsMore, type Runs } from './bisectEvidence.ts';
import type { BisectHistory } from './bisectHistory.ts';

/** One run of the test. `not-run`: it was skipped, or does not have the case. */
export type Outcome = { kind: 'pass' | 'fail' | 'no-boot' | 'not-run' | 'error'; detail: string };

/** Runs the test on one kernel, once or several times at once. */
export type RunTest = () => Promise<Outcome[]>;

/** How the test does on either end. */
export type Ends = {
  good: Subject;
  bad: Subject;
  /** `boot`: the bad end does not boot, and that is what is looked for. */
  looksFor: LooksFor;
};

type LooksFor = 'test' | 'boot';

/** What a commit is, and why; `runs` is null if none decided it. */
export type Answer = { answer: 'good' | 'bad' | 'skip'; runs: Runs | null; why: string };

/** A commit that was asked, its place among them, and how many there are about. */
export type Step = Answer & { commit: string; number: number; about: number };

/** The first bad commit, or those that may be it, the newest first. */
export type Found = { first: string | null; possible: string[]; steps: Step[] };

/** Runs in a row that say nothing of the test, after which no more are made. */
const maxLost = 3;
/** Runs of a commit, and pairs of runs of the ends, after which they stay undecided. */
export const runBudget = 240;
/** Runs after which a good end that always fails, and a bad one that never does, end the comparison. */
const clearAfter = { good: 10, bad: 30 };

/**
 * Ask commits until git knows the first bad one.
 * @param ask decides a commit; an error that it throws ends the bisection
 * @param onStep is told of each as soon as it is decided
 */
export async function bisect(
  history: Pick<BisectHistory, 'state' | 'answer'>,
  ask: (commit: string, error: number) => Promise<Answer>,
  onStep: (step: Step) => Promise<void> | void = () => {},
): Promise<Found> {
  const steps: Step[] = [];
  // The first question is about the ends. A commit that no run decides is none.
  let questions = 1;
  for (;;) {
    const state = await history.state();
    if ('first' in state) return { first: state.first, possible: [state.first], steps };
    if ('possible' in state) return { first: null, possible: state.possible, steps };
    const answer = await ask(state.next, errorOf(questions + 1));
    if (answer.runs !== null) questions++;
    const number = steps.length + 1;
    const step = { ...answer, commit: state.next, number, about: number + state.left };
    steps.push(step);
    await onStep(step);
    await history.answer(state.next, answer.answer);
  }
}

/**
 * Run the test on both ends in turn, three times as often as it takes to see that it fails more often on the bad one:
 * then a commit takes fewer runs. Throws bad-input, which names the end that is not as it should be.
 */
export async function compareEnds(good: RunTest, bad: RunTest, error: number): Promise<Ends> {
  const seen = new Subject('BAD', bad);
  while (!seen.hopeless && seen.runs.runs === 0) await seen.runMore();
  const looksFor = seen.hopeless?.kind === 'no-boot' ? 'boot' : 'test';
  const ends: Ends = {
    good: new Subject('GOOD', good, looksFor),
    bad: looksFor === 'boot' ? new Subject('BAD', bad, looksFor) : seen,
    looksFor,
  };
  let enough = Infinity;
  for (;;) {
    for (const { name, hopeless } of [ends.bad, ends.good])
      if (hopeless) throw unexpected(name, ending(hopeless));
    const least = Math.min(ends.good.runs.runs, ends.bad.runs.runs);
    if (least >= enough) return ends;
    if (enough === Infinity && failsMore(ends.good.runs, ends.bad.runs, error)) enough = 3 * least;
    if (enough === Infinity) refuse(ends, error);
    await rarest([ends.good, ends.bad]).runMore();
  }
}

/** The first of those that were run least often. */
function rarest(subjects: readonly Subject[]): Subject {
  return subjects.toSorted((a, b) => a.runs.runs - b.runs.runs)[0]!;
}

/** Why a kernel is not run further, to follow its name. */
function ending({ kind, detail }: Outcome): string {
  return `${kind === 'no-boot' ? 'does not boot' : 'does not run the test'}: ${detail}`;
}

/** Throws when the ends are seen not to be a good and a bad one, or no budget is left. */
function refuse({ good, bad, looksFor }: Ends, error: number): void {
  const [ofGood, ofBad] = [shareOf(good.runs), shareOf(bad.runs)];
  const least = Math.min(good.runs.runs, bad.runs.runs);
  const fails = looksFor === 'boot' ? 'fails to boot' : 'fails';
  if (failsMore(bad.runs, good.runs, error))
    throw unexpected(
      'GOOD',
      `${fails} more often (${ofGood}) than BAD (${ofBad}): are they the wrong way round?`,
    );
  if (good.runs.runs >= clearAfter.good && good.runs.failed === good.runs.runs)
    throw unexpected('GOOD', `${fails}, too: ${ofGood}`);
  if (least >= clearAfter.bad && bad.runs.failed === 0) throw unexpected('BAD', `does not fail: ${ofBad}`);
  if (least >= runBudget)
    throw new KilnError(
      'bad-input',
      `the test does not tell GOOD from BAD: it fails ${ofGood} and ${ofBad}`,
      {
        hint: '`kiln repeat` measures how often a test fails; a --case may be clearer than the whole test',
      },
    );
}

function unexpected(end: string, what: string): KilnError {
  return new KilnError('bad-input', `${end} ${what}`, {
    hint: 'GOOD is a commit on which the test passes, BAD one on which it fails; `kiln test --base git:DIR#COMMIT` shows what it does',
  });
}

/**
 * Run the test on a commit until it is known which end the commit is like. The ends are run again, too, where too few
 * runs of theirs would leave the commit undecided.
 */
export async function askCommit(run: RunTest, ends: Ends, error: number): Promise<Answer> {
  const commit = new Subject('the commit', run, ends.looksFor);
  while (commit.runs.runs < runBudget) {
    await rarest([commit, ends.good, ends.bad]).runMore();
    const { hopeless, runs, detail } = commit;
    if (hopeless) return { answer: 'skip', runs: null, why: ending(hopeless) };
    const answer = decide(runs, { good: ends.good.runs, bad: ends.bad.runs }, error);
    if (answer) return { answer, runs, why: detail };
  }
  return {
    answer: 'skip',
    runs: commit.runs,
    why: `${plural(runBudget, 'run')} do not tell which end it is like`,
  };
}

/** `3 of 5` */
export function shareOf({ failed, runs }: Runs): string {
  return `${failed} of ${runs}`;
}

/** A kernel: its runs are counted as they come. */
export class Subject {
  readonly name: string;
  readonly runs: Runs;
  /** Of the first failure. */
  detail = '';
  /** The last of too many in a row that say nothing of the test. */
  hopeless: Outcome | null = null;
  readonly #run: RunTest;
  readonly #looksFor: LooksFor;
  #lost: Outcome[] = [];

  /** @param before runs that were counted earlier */
  constructor(
    name: string,
    run: RunTest,
    looksFor: LooksFor = 'test',
    before: Runs = { failed: 0, runs: 0 },
  ) {
    this.name = name;
    this.#run = run;
    this.#looksFor = looksFor;
    this.runs = { ...before };
  }

  async runMore(): Promise<void> {
    for (const outcome of await this.#run()) this.#count(this.#seen(outcome), outcome);
  }

  /** If booting is what is looked for, a kernel that boots is good, whatever the test does. */
  #seen({ kind }: Outcome): Outcome['kind'] {
    if (this.#looksFor === 'test' || kind === 'error') return kind;
    return kind === 'no-boot' ? 'fail' : 'pass';
  }

  #count(kind: Outcome['kind'], outcome: Outcome): void {
    if (kind === 'pass' || kind === 'fail') {
      this.runs.runs++;
      if (kind === 'fail' && this.runs.failed++ === 0) this.detail = outcome.detail;
      this.#lost = [];
      return;
    }
    this.#lost.push(outcome);
    if (this.#lost.length < maxLost) return;
    const own = this.#lost.find((one) => one.kind !== 'error');
    if (!own)
      throw new KilnError(
        'infrastructure',
        `${plural(maxLost, 'run')} of the test on ${this.name} failed: ${outcome.detail}`,
        {
          hint: 'the same call goes on where this one ended',
        },
      );
    this.hopeless = own;
  }
}
