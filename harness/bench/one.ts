// SPDX-License-Identifier: MIT
import type { Context } from '../context.ts';
import type { TestRequest } from '../execution/request.ts';
import { runUnit } from '../execution/unit.ts';
import { Pool } from '../pool/pool.ts';
import type { TestResult } from '../schema.ts';

/** Run one program that measures, and nothing beside it. Throws if it does not pass. */
export async function runOne(request: TestRequest, context: Context): Promise<TestResult> {
  await using pool = new Pool(1, Number.POSITIVE_INFINITY);
  const [result] = await runUnit({ isolation: 'test', requests: [request] }, { pool, context });
  const { suite, test } = request;
  if (result?.verdict !== 'pass') throw new Error(`${suite}/${test}: ${result?.verdict} ${result?.detail}`);
  return result;
}
