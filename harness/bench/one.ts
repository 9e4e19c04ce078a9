// SPDX-License-Identifier: MIT

import type { Context } from '../context.ts';
import { runTrials } from '../execution/attempt.ts';
import type { TrialRequest } from '../execution/generation.ts';
import { Guests } from '../pool/pool.ts';
import type { TestResult } from '../schema.ts';

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
