// SPDX-License-Identifier: MIT
// Series whose tests fail at known rates, decided by the code that decides real ones.
import { Blame, minimalRise, pairBudget, statedError } from '../ci/blame.ts';
import { askStep, type Located, locate, stepsOf } from '../ci/locate.ts';
import type { Decision } from '../ci/replay.ts';

/** How often a test fails, from 0 to 1. */
export type Rates = { patched: number; base: number };

/** What is simulated: `series` series of `patches` patches, one of which brings `failures` failures at these rates. */
export type Simulation = Rates & { series: number; failures: number; patches: number };

export type Simulated = {
  /**
   * Series with at least one wrong answer: a failure is called new that is not more frequent, or not new that is more
   * frequent by `minimalRise`, or comes with another patch than the one that is named.
   */
  wrong: number;
  /** Failures by their answer. */
  answers: Record<Decision['answer'], number>;
  /** Runs on each kernel until a failure was decided or the budget ended, the median. */
  pairs: number;
};

type Random = () => number;

/** Decide all failures of each series as a run of `kiln ci` does: is it new, and since which patch? */
export async function simulate(
  { series, failures, patches, ...rates }: Simulation,
  random: Random,
): Promise<Simulated> {
  const blame = new Blame(failures, statedError / 2);
  const halving = new Blame(Math.max(failures * stepsOf(patches), 1), statedError / 2);
  const answers = { new: 0, 'not-new': 0, undecided: 0 };
  const pairs = new Uint32Array(pairBudget + 1);
  let wrong = 0;
  for (let one = 0; one < series; one++) {
    let isWrong = false;
    for (let failure = 0; failure < failures; failure++) {
      const decided = decide(rates, blame, random);
      answers[decided.answer]++;
      pairs[decided.pairs]!++;
      if (isFalse(decided.answer, rates)) isWrong = true;
      if (decided.answer !== 'new') continue;
      const first = 1 + Math.floor(random() * patches);
      if (!holds(await findPatch(rates, first, patches, halving, random), first)) isWrong = true;
    }
    if (isWrong) wrong++;
  }
  return { wrong, answers, pairs: medianOf(pairs, series * failures) };
}

/** As `replay()` of harness/ci: pairs of runs until there is an answer or the budget ends. */
function decide(rates: Rates, blame: Blame, random: Random): Pick<Decision, 'answer' | 'pairs'> {
  let [patched, base] = [0, 0];
  for (let pairs = 1; pairs <= pairBudget; pairs++) {
    if (random() < rates.patched) patched++;
    if (random() < rates.base) base++;
    const answer = blame.decide({ pairs, patched, base });
    if (answer !== null) return { answer, pairs };
  }
  return { answer: 'undecided', pairs: pairBudget };
}

function isFalse(answer: Decision['answer'], { patched, base }: Rates): boolean {
  return answer === 'new' ? patched <= base : answer === 'not-new' && patched - base >= minimalRise;
}

/** From patch `first` on, the failure is as frequent as with the whole series. */
function findPatch(
  { patched, base }: Rates,
  first: number,
  patches: number,
  halving: Blame,
  random: Random,
): Promise<Located> {
  return locate(patches, (patch) => {
    const own = patch >= first ? patched : base;
    return askStep(
      async () => decide({ patched: own, base }, halving, random).answer,
      async () => decide({ patched, base: own }, halving, random).answer,
    );
  });
}

function holds(located: Located, first: number): boolean {
  if ('first' in located) return located.first === first;
  return located.from <= first && first <= located.to;
}

/** @param counts how often each number was seen, `all` times in total */
function medianOf(counts: Uint32Array, all: number): number {
  let seen = 0;
  return counts.findIndex((count) => {
    seen += count;
    return seen >= all / 2;
  });
}
