// SPDX-License-Identifier: MIT
// Whether a test fails more often on one kernel than on another, from runs that may be looked at after each.
//
// A bisection asks whether a commit fails as its good end does or as its bad end. The answer "bad" is given against the
// hypothesis that the commit fails at most as often as the good end, "good" against the hypothesis that it fails at
// least as often as the bad end. So nothing has to be known of how often a flaky test fails at either end, and runs of
// the ends count for each commit.
//
// The evidence is a likelihood ratio: the numerator is a mixture over shares of failures, chosen before any run, the
// denominator the greatest likelihood under the hypothesis. If the hypothesis holds, the ratio is at most a martingale
// that starts at 1, whichever kernel runs next and whenever one looks. So it reaches 1/error with at most the
// probability `error` (Ville's inequality).

/** Runs of one test on one kernel. */
export type Runs = { failed: number; runs: number };

/** An answer about a commit, or nothing yet. */
export type Verdict = 'good' | 'bad' | null;

/** The probability that a bisection names the wrong commit, at most. */
export const bisectError = 0.001;

/**
 * What the answer to each question of a bisection may be wrong with: all of them together with at most `error`, however
 * many there are.
 * @param number of the question, from 1
 */
export function errorOf(number: number, error = bisectError): number {
  return error / (number * (number + 1));
}

/** The logarithm of the evidence that a test fails more often in `upper` than in `lower`. */
export function evidence(lower: Runs, upper: Runs): number {
  const seen = logSum(
    Math.log(1 / 2) + certain(upper, 1) + certain(lower, 0),
    Math.log(1 / 2) + anyShare(upper) + anyShare(lower),
  );
  return seen - greatest(lower, upper);
}

/** Whether `upper` is shown to fail more often than `lower`, wrong with at most `error`. */
export function failsMore(lower: Runs, upper: Runs, error: number): boolean {
  return evidence(lower, upper) >= Math.log(1 / error);
}

/** What the runs of a commit say, if the ends differ. Each answer is wrong with at most `error`. */
export function decide(commit: Runs, ends: { good: Runs; bad: Runs }, error: number): Verdict {
  if (failsMore(ends.good, commit, error)) return 'bad';
  return failsMore(commit, ends.bad, error) ? 'good' : null;
}

/** The logarithm of the likelihood, if all runs fail (1) or none (0). */
function certain({ failed, runs }: Runs, share: 0 | 1): number {
  return failed === share * runs ? 0 : -Infinity;
}

/** The logarithm of the likelihood, mixed over all shares by the Beta distribution with parameters 1/2, 1/2. */
function anyShare({ failed, runs }: Runs): number {
  return logHalves(failed) + logHalves(runs - failed) - logFactorial(runs);
}

/** The logarithm of 1/2 × 3/2 × 5/2 …, so many factors. */
const logHalves = sumOf((index) => Math.log(index + 1 / 2));
const logFactorial = sumOf((index) => Math.log(index + 1));

/** Sums of the first terms, each computed once. */
function sumOf(term: (index: number) => number): (count: number) => number {
  const sums = [0];
  return (count) => {
    for (let next = sums.length; next <= count; next++) sums.push(sums[next - 1]! + term(next - 1));
    return sums[count]!;
  };
}

/** The logarithm of the greatest likelihood if `upper` fails at most as often as `lower`. */
function greatest(lower: Runs, upper: Runs): number {
  if (upper.failed * lower.runs <= lower.failed * upper.runs) return best(lower) + best(upper);
  return best({ failed: lower.failed + upper.failed, runs: lower.runs + upper.runs });
}

/** The logarithm of the likelihood at the share that was seen. */
function best({ failed, runs }: Runs): number {
  return times(failed, Math.log(failed / runs)) + times(runs - failed, Math.log(1 - failed / runs));
}

/** 0 × -∞ is 0 here: what did not happen says nothing. */
function times(count: number, log: number): number {
  return count === 0 ? 0 : count * log;
}

function logSum(a: number, b: number): number {
  const most = Math.max(a, b);
  return most + Math.log(Math.exp(a - most) + Math.exp(b - most));
}
