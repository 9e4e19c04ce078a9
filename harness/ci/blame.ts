// SPDX-License-Identifier: MIT
// Whether a test fails more often on the patched kernel than on its base, decided from replays with a bounded error.
//
// Replays come in pairs, one on each kernel, in fresh forks. After each pair the counts decide, or one more pair runs.
// "New" is said against the hypothesis that the base fails at least as often, "not new" against the hypothesis that the
// patch raises the share of failures by at least `minimalRise`. Each is tested at the error of the run divided by twice
// the number of tests that are replayed, so all answers of a run together are wrong with at most the stated error.
//
// A test that looks after each pair must pay for looking. Two ways share what "new" may cost:
// - a bet that pays when the patched kernel fails alone. Its capital has an expected value of at most 1 if the base
//   fails as often (each pair's factor has, whatever the share), so it reaches 1/error with at most that probability,
//   at any time (Ville's inequality). It ends clear cases early: seven pairs if the one always fails and the other never.
// - the lead of the patched kernel's failures after any pair of the budget, against a bound that a lead without cause
//   crosses with at most that probability. It ends the cases in the middle.
// "Not new" compares the likelihood of the counts under a mixture with the greatest one under the hypothesis.

/** Failures among as many replays of one test on each kernel. */
export type Replays = { pairs: number; patched: number; base: number };

/** What the replays of a test say: `new` (fails more often with the patch), `not-new`, or nothing yet. */
export type Answer = 'new' | 'not-new' | null;

/** A rise by this share of runs is what "not new" rules out. */
export const minimalRise = 0.5;
/** Pairs after which a test stays undecided. */
export const pairBudget = 60;
/** The probability that any answer of a run is wrong. */
export const statedError = 0.001;

/** Decides one test among `tests`, at least one, that are replayed in the same run. */
export class Blame {
  /** The probability that one answer is wrong, at most. */
  readonly each: number;
  readonly #bet: number;
  readonly #lead: number;
  readonly #notNew: number;
  readonly #known = new Map<number, Answer>();

  constructor(tests: number, error = statedError) {
    this.each = error / (2 * tests);
    this.#bet = Math.log(2 / this.each);
    this.#lead = leadBound(this.each / 2, pairBudget);
    this.#notNew = Math.log(1 / this.each);
  }

  /** The answer after these replays; call it after each pair. Throws RangeError beyond `pairBudget`, which the error counts on. */
  decide({ pairs, patched, base }: Replays): Answer {
    if (pairs > pairBudget) throw new RangeError(`${pairs} pairs of replays, the budget is ${pairBudget}`);
    const key = (pairs * (pairBudget + 1) + patched) * (pairBudget + 1) + base;
    let answer = this.#known.get(key);
    if (answer === undefined) {
      answer = this.#ask({ pairs, patched, base });
      this.#known.set(key, answer);
    }
    return answer;
  }

  #ask(replays: Replays): Answer {
    const { pairs, patched, base } = replays;
    if (patched - base >= this.#lead || logBet(replays) >= this.#bet) return 'new';
    if (pairs > 0 && logMixture(replays) - logGreatest(replays, minimalRise) >= this.#notNew)
      return 'not-new';
    return null;
  }
}

/** Shares of failures, on the patched kernel and its base, that the bet expects, with their weights. */
const bets: readonly (readonly [number, number, number])[] = [
  [1, 0, 0.4],
  [0.95, 0.05, 0.2],
  [0.5, 0, 0.2],
  [0.75, 0.25, 0.1],
  [1, 0.5, 0.1],
];

/** The logarithm of the capital. A factor is the pair's likelihood over that of two kernels that both fail as often as
 *  the two do on average. */
function logBet(replays: Replays): number {
  return logSum(
    bets.map(([patched, base, weight]) => {
      const average = (patched + base) / 2;
      return (
        Math.log(weight) + logLikelihood(replays, patched, base) - logLikelihood(replays, average, average)
      );
    }),
  );
}

const shares = [0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 1];

/** The mixture of all pairs of shares in which the patch does not raise the failures by `minimalRise`. */
function logMixture(replays: Replays): number {
  const plausible = shares.flatMap((patched) =>
    shares.filter((base) => patched - base < minimalRise / 2).map((base) => [patched, base] as const),
  );
  return logSum(
    plausible.map(([patched, base]) => logLikelihood(replays, patched, base) - Math.log(plausible.length)),
  );
}

/** The greatest likelihood with a rise of at least `rise`: concave, so by golden sections on the boundary. */
function logGreatest(replays: Replays, rise: number): number {
  const { pairs, patched, base } = replays;
  if ((patched - base) / pairs >= rise) return logLikelihood(replays, patched / pairs, base / pairs);
  const at = (share: number) => logLikelihood(replays, share + rise, share);
  const golden = (Math.sqrt(5) - 1) / 2;
  let [low, high] = [0, 1 - rise];
  while (high - low > 1e-6) {
    const [left, right] = [high - golden * (high - low), low + golden * (high - low)];
    if (at(left) < at(right)) low = left;
    else high = right;
  }
  return Math.max(at(low), at(high), at(0), at(1 - rise));
}

function logLikelihood({ pairs, patched, base }: Replays, onPatched: number, onBase: number): number {
  return (
    times(patched, Math.log(onPatched)) +
    times(pairs - patched, Math.log(1 - onPatched)) +
    times(base, Math.log(onBase)) +
    times(pairs - base, Math.log(1 - onBase))
  );
}

/** 0 × -∞ is 0 here: what did not happen says nothing. */
function times(count: number, log: number): number {
  return count === 0 ? 0 : count * log;
}

function logSum(logs: readonly number[]): number {
  const most = Math.max(...logs);
  return most === -Infinity
    ? most
    : most + Math.log(logs.reduce((sum, one) => sum + Math.exp(one - most), 0));
}

/** The smallest lead that two kernels which fail as often reach within `pairs` with at most the probability `error`.
 *  A lead moves by one up or down with the probability share × (1 - share) each, at most 1/4, and moves the more the
 *  closer the share is to 1/2: that case bounds all. */
export function leadBound(error: number, pairs: number): number {
  for (let bound = 1; bound <= pairs; bound++) if (crossing(bound, pairs) <= error) return bound;
  return Infinity;
}

/** The probability that a lead reaches `bound` within `pairs` pairs, at a share of 1/2. */
function crossing(bound: number, pairs: number): number {
  let crossed = 0;
  let ways = new Map([[0, 1]]);
  for (let pair = 0; pair < pairs; pair++) {
    const next = new Map<number, number>();
    for (const [lead, probability] of ways)
      for (const [step, share] of [
        [-1, 1 / 4],
        [0, 1 / 2],
        [1, 1 / 4],
      ] as const) {
        if (lead + step >= bound) crossed += probability * share;
        else next.set(lead + step, (next.get(lead + step) ?? 0) + probability * share);
      }
    ways = next;
  }
  return crossed;
}
