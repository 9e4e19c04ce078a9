// SPDX-License-Identifier: MIT
// Pure: what went wrong in the result of a test, piece by piece, so that two kernels can be compared.
import { isBad } from '../results/judge.ts';
import type { TestResult } from '../schema.ts';

/** A case, a splat, or (both null) the test as a whole. */
export type Failure = {
  suite: string;
  test: string;
  case: string | null;
  /** The title of a splat. */
  splat: string | null;
};

/** A failure with its reason, one line. */
export type Reported = Failure & { detail: string };

/**
 * Everything that fails in a result: its cases and unexpected splats, or the test itself if neither says why. An
 * infrastructure error says nothing of a kernel.
 */
export function failuresOf({ suite, test, verdict, detail, cases, splats }: TestResult): Reported[] {
  if (verdict === 'error') return [];
  const failedCases = cases
    .filter((one) => isBad(one.verdict))
    .map(({ name, detail: why }) => ({ suite, test, case: name, splat: null, detail: lastLine(why) }));
  const titles = splats.filter(({ expected, notice }) => !expected && !notice).map(({ title }) => title);
  const ofSplats = [...new Set(titles)].map((title) => ({
    suite,
    test,
    case: null,
    splat: title,
    detail: title,
  }));
  const found = [...ofSplats, ...failedCases];
  if (found.length > 0 || !isBad(verdict)) return found;
  return [{ suite, test, case: null, splat: null, detail }];
}

/** Names a failure within a run. */
export function keyOf({ suite, test, case: name, splat }: Failure): string {
  return JSON.stringify([suite, test, name, splat]);
}

/** For people: `suite/test case`, or the splat's title behind it. */
export function nameOf({ suite, test, case: name, splat }: Failure): string {
  return [`${suite}/${test}`, name, splat].filter((part) => part !== null).join(' ');
}

/** Whether this is what failed, in another run of the same test. A test as a whole fails again in any way. */
export function failsAgain(failure: Failure, result: TestResult): boolean {
  const own = failuresOf(result).map(keyOf);
  if (failure.case === null && failure.splat === null) return own.length > 0;
  if (own.includes(keyOf(failure))) return true;
  // A guest that died before the case could report: the case did not pass either.
  return failure.case !== null && isLost(result) && !result.cases.some(({ name }) => name === failure.case);
}

function isLost({ verdict }: TestResult): boolean {
  return verdict === 'crash' || verdict === 'timeout';
}

/** What a case prints last is its reason. */
function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}
