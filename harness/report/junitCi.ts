// SPDX-License-Identifier: MIT
// What JUnit XML has of `kiln ci` beside the tests: the checks of each patch, and which failures are known.
import { isBad } from '../results/judge.ts';
import type { Change, CheckResult, Ci, Results, TestResult } from '../schema.ts';
import { changeName, patchNumber } from './changes.ts';
import { explainedByCases } from './groups.ts';
import { type Testcase, testcases } from './junitCase.ts';
import { oneLine } from './plain.ts';

/** Suites of testcases by name: one of each patch, then one of the changes that no test of the run shows. */
export function ciSuites(results: Results, ci: Ci): { name: string; cases: Testcase[] }[] {
  const unseen = ci.changes.filter(
    (one) => one.kind !== 'fixed' && one.kind !== 'new-test' && !isSeen(one, results, ci),
  );
  const changes = { name: 'changes', cases: unseen.map(ofChange) };
  return [
    ...ci.patches.map((patch) => {
      const name = `patch ${patchNumber(ci, patch)}`;
      const cases = patch.checks.map((check) => ofCheck(check, name));
      return { name: `${name}: ${oneLine(patch.subject)}`, cases };
    }),
    ...(unseen.length > 0 ? [changes] : []),
  ];
}

/** The results without the tests of the base: what fails there does not count against the series. */
export function withoutBase(results: Results, { base_job }: Ci): Results {
  return { ...results, tests: results.tests.filter(({ job }) => job !== base_job) };
}

/** The testcases of a test. A known failure is skipped, with the reason as its message; a new one says that it is new. */
export function ciTestcases(test: TestResult, suite: string, ci: Ci): Testcase[] {
  const own = ci.changes.filter((one) => one.suite === test.suite && one.test === test.test);
  return testcases(test, suite).map((one, index) => {
    const name = test.cases[index]?.name ?? null;
    return judged(
      one,
      own.filter((change) => change.case === name),
    );
  });
}

function judged(one: Testcase, changes: readonly Change[]): Testcase {
  if (!isBad(one.verdict) || one.verdict === 'error' || changes.length === 0) return one;
  const isNew = changes.some(({ kind }) => kind === 'new-failure' || kind === 'new-test');
  const why = changes.map(({ sentence }) => oneLine(sentence)).join('; ');
  return isNew ? { ...one, why, body: `${why}\n${one.body}` } : { ...one, verdict: 'skip', why };
}

function isSeen(change: Change, { tests }: Results, ci: Ci): boolean {
  const own = tests.filter(
    ({ suite, test, job }) => suite === change.suite && test === change.test && job !== ci.base_job,
  );
  if (change.case === null) return own.some((test) => isBad(test.verdict) && !explainedByCases(test));
  return own.some(({ cases }) => cases.some(({ name, verdict }) => name === change.case && isBad(verdict)));
}

function ofChange(change: Change): Testcase {
  const why = oneLine(change.sentence);
  const verdict = change.kind === 'new-failure' ? 'fail' : 'skip';
  return { classname: 'changes', name: changeName(change), verdict, why, body: `${why}\n${change.detail}` };
}

function ofCheck({ name, status, summary, findings }: CheckResult, classname: string): Testcase {
  const body = [summary, ...findings].join('\n');
  const about = { classname, name, why: summary, body };
  // JUnit has no warnings.
  return status === 'warn'
    ? { ...about, verdict: 'pass', note: `warning: ${body}` }
    : { ...about, verdict: status };
}
