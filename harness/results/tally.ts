// SPDX-License-Identifier: MIT
// Pure: the results of one test that was run many times → how often it fails, and why.

import { type Counts, countVerdicts, type Repeat, type TestResult, type Verdict } from '../schema.ts';
import { wilson } from '../util/wilson.ts';
import { isBad } from './judge.ts';

/** The fields of `repeat` that are counted; the command fills in the others. */
export type Tallied = Pick<
  Repeat,
  'verdicts' | 'failed' | 'of' | 'rate' | 'reasons' | 'other_reasons' | 'first_failure'
>;

/** Reasons in the results; of at most as many the first guest's logs are stored. */
const maxReasons = 10;
/** Reasons that are counted. A bound for memory: a test that prints a number has a new reason each time. */
const maxCounted = 1000;

/** Counts results in bounded memory. */
export class Tally {
  readonly #verdicts = countVerdicts([]);
  readonly #reasons = new Map<string, Repeat['reasons'][number]>();
  #withReason = 0;
  #stored = 0;
  #first: Repeat['first_failure'] = null;

  /**
   * Count a result. Returns whether to store it and its guest's directory: true for the first failure, and
   * for the first result with another reason for a failure or an error.
   * @param run its number, from 1
   * @param logs the directory of its guest, relative to the run's directory
   */
  add(run: number, result: TestResult, logs: string): boolean {
    const { verdict, detail } = result;
    this.#verdicts[verdict]++;
    this.#verdicts.total++;
    if (detail === '' && !isBad(verdict)) return false;
    this.#withReason++;
    const key = `${verdict} ${detail}`;
    const known = this.#reasons.get(key);
    if (known) known.count++;
    const isFirst = isFailure(verdict) && this.#first === null;
    const store = isFirst || (isBad(verdict) && !known && this.#stored < maxReasons);
    const where = store && result.guest ? logs : null;
    if (!known && (isFirst || this.#reasons.size < maxCounted))
      this.#reasons.set(key, { verdict, detail, count: 1, logs: where });
    if (isFirst) this.#first = { run, verdict, detail, logs: where };
    if (store) this.#stored++;
    return store;
  }

  get failed(): number {
    const { fail, timeout, crash } = this.#verdicts;
    return fail + timeout + crash;
  }

  get verdicts(): Counts {
    return { ...this.#verdicts };
  }

  /** The counts so far. */
  tallied(): Tallied {
    const { total, skip, error } = this.#verdicts;
    const of = total - skip - error;
    const reasons = [...this.#reasons.values()].toSorted((a, b) => b.count - a.count).slice(0, maxReasons);
    return {
      verdicts: this.verdicts,
      failed: this.failed,
      of,
      rate: wilson(this.failed, of),
      reasons: reasons.map((reason) => ({ ...reason })),
      other_reasons: this.#withReason - reasons.reduce((sum, { count }) => sum + count, 0),
      first_failure: this.#first,
    };
  }
}

/** Whether the test failed; an infrastructure error is no failure. */
export function isFailure(verdict: Verdict): boolean {
  return isBad(verdict) && verdict !== 'error';
}
