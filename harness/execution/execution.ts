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
  /** Called when a test's turn comes. Returns the result of a test that is not to run, or null to run it. */
  refuse?: (request: TestRequest) => TestResult | null;
  /** Whose turn comes before the others'; default: none. */
  isFirst?: (request: TestRequest) => boolean;
};
