// SPDX-License-Identifier: MIT
import { Guests } from '../guests.ts';
import type { TrialRequest } from '../passage.ts';
import type { TestResult } from '../results/schema.ts';
import { runTrials } from '../trial.ts';
import type { Context } from '../util/context.ts';

/** Run one program that measures, and nothing beside it. Throws if it does not pass. */
export async function runOne(request: TrialRequest, context: Context): Promise<TestResult> {
  let result: TestResult | undefined;
  const watcher = {
    begins: () => {},
    ended: (_: TrialRequest, ended: TestResult) => {
      result = ended;
    },
    instead: () => null,
  };
  await using guests = new Guests(1, Number.POSITIVE_INFINITY, context);
  await runTrials([request], guests, context, watcher);
  const { suite, test } = request;
  if (result?.verdict !== 'pass') throw new Error(`${suite}/${test}: ${result?.verdict} ${result?.detail}`);
  return result;
}
