// SPDX-License-Identifier: MIT
// Pure: splats that a test's settings declare (expect_splat=).
import type { SplatResult, TestResult } from '../schema.ts';

/** Each splat with whether one of the patterns matches its title. */
export function markExpected(splats: SplatResult[], patterns: readonly RegExp[]): SplatResult[] {
  return splats.map((splat) => ({ ...splat, expected: patterns.some((one) => one.test(splat.title)) }));
}

/**
 * A test whose declared splat did not come has failed, unless it was skipped, or did not come to its end.
 * @param reproduce what a failure of it is reproduced with
 */
export function requireExpected(
  result: TestResult,
  patterns: readonly RegExp[],
  reproduce: string,
): TestResult {
  const missing = patterns.filter((one) => !result.splats.some(({ title }) => one.test(title)));
  if (missing.length === 0 || !['pass', 'xfail', 'fail'].includes(result.verdict)) return result;
  const why = missing.map(({ source }) => `no splat came that matches ${source}`);
  return {
    ...result,
    verdict: 'fail',
    detail: [...why, result.detail].filter(Boolean).join('; '),
    reproduce,
  };
}
