// SPDX-License-Identifier: MIT
// Pure: the outcomes of a run's jobs → results.json.
import { exits, type KilnError } from '../errors.ts';
import { countVerdicts, type JobResult, type Results, resultsVersion, type TestResult } from '../schema.ts';

/** The outcome of one job. `error` ended it early. */
export type JobOutcome = { job: JobResult; tests: TestResult[]; error: KilnError | null };

/** The call of Kiln. `command`: its argv, the program first. */
export type RunInfo = { id: string; kiln: string; command: string[]; started: Date; ended: Date };

/** Assemble the results of a run, its jobs in their order. */
export function assemble(run: RunInfo, outcomes: readonly JobOutcome[]): Results {
  const tests = outcomes.flatMap((outcome) => outcome.tests);
  const errors = outcomes.flatMap(({ error }) => (error ? [error] : []));
  return {
    schema: resultsVersion,
    kiln: run.kiln,
    id: run.id,
    started: run.started.toISOString(),
    duration_ms: run.ended.getTime() - run.started.getTime(),
    exit_code: exitCode(tests, errors),
    command: run.command,
    summary: {
      ...countVerdicts(tests.map(({ verdict }) => verdict)),
      cases: countVerdicts(tests.flatMap(({ cases }) => cases.map(({ verdict }) => verdict))),
    },
    jobs: outcomes.map(({ job }) => job),
    tests,
    errors: errors
      .filter(({ code }) => code === 'infrastructure')
      .map(({ code, message }) => ({ code, message })),
  };
}

/**
 * An interruption decides before another error that ended a job, that before a failed test, and that before a
 * test's infrastructure error: a failure is certain.
 */
function exitCode(tests: readonly TestResult[], errors: readonly KilnError[]): number {
  const decisive = errors.find(({ code }) => code === 'interrupted') ?? errors[0];
  if (decisive) return decisive.exitCode;
  const has = (...verdicts: string[]) => tests.some(({ verdict }) => verdicts.includes(verdict));
  if (has('fail', 'timeout', 'crash')) return exits.testFailed;
  if (has('error')) return exits.infrastructure;
  return exits.ok;
}
