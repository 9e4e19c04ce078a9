// SPDX-License-Identifier: MIT
// Pure: the results of the same tests on base and patched, with the replays of what failed → what differs.

import { isBad } from '../results/judge.ts';
import type { Change, TestResult } from '../schema.ts';
import { plural } from '../util/plural.ts';
import { statedError } from './blame.ts';
import { failuresOf, keyOf, type Reported } from './failures.ts';
import type { Decision } from './replay.ts';

/** What is to be replayed. */
export type Suspects = {
  /** What fails on patched, whether it fails on base or not: does it fail more often? */
  rises: Reported[];
  /** What fails on base only: does it fail less often? */
  falls: Reported[];
};

/** The results of tests of both kernels, by `suite/test`. */
export function findSuspects(patched: readonly TestResult[], base: readonly TestResult[]): Suspects {
  const [onPatched, onBase] = [byName(patched), byName(base)];
  const rises = patched
    .filter((result) => onBase.has(nameOf(result)))
    .flatMap((result) =>
      failuresOf(result).filter((failure) => !isNew(failure, onBase.get(nameOf(result))!)),
    );
  const known = new Set(rises.map(keyOf));
  const falls = base
    .filter((result) => onPatched.has(nameOf(result)))
    .flatMap(failuresOf)
    .filter((failure) => !known.has(keyOf(failure)));
  return { rises, falls };
}

/** A case that the base's test does not have, although it came to its end. */
function isNew({ case: name }: Reported, base: TestResult): boolean {
  if (name === null || base.verdict === 'crash' || base.verdict === 'timeout') return false;
  return !base.cases.some((one) => one.name === name);
}

/** Tests that the base does not have, and cases of tests that it has. */
export function findNewTests(patched: readonly TestResult[], base: readonly TestResult[]): Change[] {
  const onBase = byName(base);
  return patched.flatMap((result) => {
    const before = onBase.get(nameOf(result));
    if (result.verdict === 'error') return [];
    const failures = failuresOf(result);
    const fresh = before ? failures.filter((failure) => isNew(failure, before)) : failures;
    const failed = fresh.map((failure) =>
      newTest(result, failure, { failed: 1, runs: 1 }, 'new test, fails'),
    );
    if (before) return failed;
    const passed = result.cases.filter(({ verdict }) => !isBad(verdict)).length;
    const count =
      result.cases.length === 0 ? result.verdict : `${passed} of ${plural(result.cases.length, 'case')} pass`;
    const whole = { case: null, splat: null, detail: '' };
    return failures.length > 0
      ? failed
      : [newTest(result, whole, { failed: 0, runs: 1 }, `new test: ${count}`)];
  });
}

function newTest(
  { suite, test, reproduce }: TestResult,
  { case: name, splat, detail }: Pick<Reported, 'case' | 'splat' | 'detail'>,
  patched: Change['patched'],
  sentence: string,
): Change {
  return {
    ...{ suite, test, case: name, splat, kind: 'new-test', patched, base: { failed: 0, runs: 0 } },
    ...{ error: null, sentence, detail, patch: null, reproduce: { patched: reproduce, base: null } },
  };
}

/** Cases and tests that passed on the base and were skipped with the series: nobody would notice that they broke. */
export function findSkipped(patched: readonly TestResult[], base: readonly TestResult[]): string[] {
  const onPatched = byName(patched);
  return base.flatMap((before) => {
    const after = onPatched.get(nameOf(before));
    if (!after) return [];
    const skipped = new Set(after.cases.filter(({ verdict }) => verdict === 'skip').map(({ name }) => name));
    const passed = before.cases.filter(({ name, verdict }) => verdict === 'pass' && skipped.has(name));
    const whole = before.verdict === 'pass' && after.verdict === 'skip' && passed.length === 0;
    return whole
      ? [`${nameOf(before)}: passes on the base, is skipped with the series`]
      : passed.map(({ name }) => `${nameOf(before)} ${name}: passes on the base, is skipped with the series`);
  });
}

/** How a decision's two counts are to be read: see Suspects. */
export type Direction = 'rise' | 'fall';

/** @param results to reproduce it, on each kernel */
export function changeOf(
  decision: Decision,
  direction: Direction,
  detail: string,
  reproduce: Change['reproduce'],
): Change {
  const { failure, pairs, answer } = decision;
  // A fall is decided as a rise from patched to base.
  const [patched, base] =
    direction === 'rise' ? [decision.patched, decision.base] : [decision.base, decision.patched];
  const kind = kindOf(answer, direction, pairs > 0 && patched === pairs && base === pairs);
  return {
    ...failure,
    kind,
    patched: { failed: patched, runs: pairs },
    base: { failed: base, runs: pairs },
    error: answer === 'undecided' ? null : statedError,
    sentence: sentenceOf(kind, { pairs, patched, base }),
    detail,
    patch: null,
    reproduce,
  };
}

function kindOf(answer: Decision['answer'], direction: Direction, isAlways: boolean): Change['kind'] {
  switch (answer) {
    case 'new':
      return direction === 'rise' ? 'new-failure' : 'fixed';
    case 'not-new':
      return isAlways ? 'failing-before' : 'flaky';
    case 'undecided':
      return 'undecided';
  }
}

const heads: Record<Change['kind'], string> = {
  'new-failure': 'new',
  fixed: 'fixed',
  'failing-before': 'failing before',
  flaky: 'flaky',
  'new-test': 'new test',
  undecided: 'undecided',
};

function sentenceOf(
  kind: Change['kind'],
  { pairs, patched, base }: { pairs: number; patched: number; base: number },
): string {
  if (pairs === 0) return `${heads[kind]}: it could not be run again`;
  const counts = `${patched} of ${pairs} patched, ${base} of ${pairs} base`;
  if (kind === 'undecided') return `undecided after ${pairs}: ${counts}`;
  return `${heads[kind]}: ${counts}, wrong with p < ${statedError * 100} %`;
}

function byName(results: readonly TestResult[]): Map<string, TestResult> {
  return new Map(
    results.filter(({ verdict }) => verdict !== 'error').map((result) => [nameOf(result), result]),
  );
}

function nameOf({ suite, test }: TestResult): string {
  return `${suite}/${test}`;
}
