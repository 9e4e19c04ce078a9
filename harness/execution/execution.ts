// SPDX-License-Identifier: MIT
import type { Context } from '../context.ts';
import type { Pool } from '../pool/pool.ts';
import type { SplatResult, TestResult } from '../schema.ts';
import type { TestRequest } from './request.ts';

/** What the units of a job share. */
export type Execution = {
  pool: Pool;
  context: Context;
  /** Adds source lines to the stacks of splats. Never throws. */
  decode?: (splats: SplatResult[]) => Promise<void>;
  /** The result of a test that is not run, with the reason; asked when its turn comes. null: run it. */
  refuse?: (request: TestRequest) => TestResult | null;
};
