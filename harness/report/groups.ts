// SPDX-License-Identifier: MIT
import type { Results, TestResult } from '../schema.ts';
import { splatPlaces } from './places.ts';

/** An item at the outermost level of a nested format. */
export type Group =
  | { type: 'suite'; name: string; tests: TestResult[] }
  | { type: 'left-out'; name: string; reason: string }
  | { type: 'error'; name: string; code: string; message: string };

/** Groups results: suites in the order in which they ran, then suites that were skipped, then errors. */
export function groupResults(results: Results): Group[] {
  const several = results.jobs.length > 1;
  const nameOf = (job: string, suite: string) => (several ? `${job}: ${suite}` : suite);
  const suites = new Map<string, TestResult[]>();
  for (const test of results.tests) {
    const name = nameOf(test.job, test.suite);
    suites.set(name, [...(suites.get(name) ?? []), test]);
  }
  return [
    ...[...suites].map(([name, tests]) => ({ type: 'suite' as const, name, tests })),
    ...results.jobs.flatMap((job) =>
      job.left_out.map(({ suite, reason }) => ({
        type: 'left-out' as const,
        name: nameOf(job.id, suite),
        reason,
      })),
    ),
    ...results.jobs.flatMap((job) =>
      job.error ? [{ type: 'error' as const, name: `job ${job.id}`, ...pick(job.error) }] : [],
    ),
    ...results.errors.map((error) => ({ type: 'error' as const, name: 'infrastructure', ...pick(error) })),
  ];
}

/** Whether the cases explain the test's verdict; otherwise a report has a line for the test itself. */
export function explainedByCases(test: TestResult): boolean {
  switch (test.verdict) {
    case 'crash':
    case 'error':
      return false;
    case 'fail':
    case 'timeout':
      return test.cases.some((item) => item.verdict === test.verdict);
    default:
      return test.cases.length > 0;
  }
}

/** The reasons for a test's verdict: its detail, problems and splats. Contains text from the guest. */
export function explain(test: TestResult): string {
  return [
    test.detail,
    ...test.problems.map((problem) => `problem: ${problem}`),
    ...test.splats.flatMap((splat) => [
      `${splat.phase}: ${splat.title}${splat.expected ? ' (expected)' : splat.notice ? ' (notice)' : ''}`,
      ...splat.lines.map((line) => `  ${line}`),
      ...splatPlaces(splat).map((place) => `    ${place}`),
    ]),
    test.reproduce === null ? '' : `again: ${test.reproduce}`,
  ]
    .filter((line) => line !== '')
    .join('\n');
}

function pick({ code, message }: { code: string; message: string }) {
  return { code, message };
}
