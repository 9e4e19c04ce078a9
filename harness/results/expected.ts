// SPDX-License-Identifier: MIT
// Pure: the splats that a test's settings declare (expect_splat=).
import type { SplatResult, TestResult } from '../schema.ts';

/** Set `expected` of each splat: whether one of the patterns matches its title. */
export function markExpected(splats: SplatResult[], patterns: readonly RegExp[]): SplatResult[] {
  return splats.map((splat) => ({ ...splat, expected: patterns.some((one) => one.test(splat.title)) }));
}

/**
 * Fail a test if a declared splat did not come. Does not change a test that was skipped or did not finish.
 * @param reproduce the command line that reproduces the failure
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
