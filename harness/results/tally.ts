// SPDX-License-Identifier: MIT
// Pure: the results of one test, run many times → how often it fails, and of what.

import { type Counts, countVerdicts, type Repeat, type TestResult, type Verdict } from '../schema.ts';
import { wilson } from '../util/wilson.ts';
import { isBad } from './judge.ts';

/** What is counted of many runs; who asked for them and how knows the rest. */
export type Tallied = Pick<
  Repeat,
  'verdicts' | 'failed' | 'of' | 'rate' | 'reasons' | 'other_reasons' | 'first_failure'
>;

/** Reasons told; of as many, the first guest is kept. */
const maxReasons = 10;
/** Reasons counted: a test that prints a number says something else each time. */
const maxCounted = 1000;

/** Counts results as they come, in bounded memory. */
export class Tally {
  readonly #verdicts = countVerdicts([]);
  readonly #reasons = new Map<string, Repeat['reasons'][number]>();
  #withReason = 0;
  #kept = 0;
  #first: Repeat['first_failure'] = null;

  /**
   * Count a result. Returns whether to keep it and its guest's directory: the first failure, and the first of each
   * other reason of a failure or an error.
   * @param run its number, from 1
   * @param logs the directory of its guest, relative to that of `kiln repeat`'s run
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
    const keep = isFirst || (isBad(verdict) && !known && this.#kept < maxReasons);
    const where = keep && result.guest ? logs : null;
    if (!known && (isFirst || this.#reasons.size < maxCounted))
      this.#reasons.set(key, { verdict, detail, count: 1, logs: where });
    if (isFirst) this.#first = { run, verdict, detail, logs: where };
    if (keep) this.#kept++;
    return keep;
  }

  get failed(): number {
    const { fail, timeout, crash } = this.#verdicts;
    return fail + timeout + crash;
  }

  get verdicts(): Counts {
    return { ...this.#verdicts };
  }

  /** So far; what is not run yet is not in it. */
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

/** Bad, and not our own trouble. */
export function isFailure(verdict: Verdict): boolean {
  return isBad(verdict) && verdict !== 'error';
}
