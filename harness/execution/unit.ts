// SPDX-License-Identifier: MIT
// The one way to run a test: a unit in, complete results out.
import { requireExpected } from '../results/expected.ts';
import type { TestResult } from '../schema.ts';
import { addAsserted } from '../suite/asserted.ts';
import { refuseUnfit, runInOneGuest } from './attempt.ts';
import { runByCase } from './byCase.ts';
import type { Execution } from './execution.ts';
import type { TestRequest, Unit } from './request.ts';

/** Only listens. It cannot change what runs or a result. */
export type Watcher = {
  begins?: (request: TestRequest) => void;
  /** The result is complete: nothing is added to it later. */
  ended?: (request: TestRequest, result: TestResult) => void;
};

/**
 * Run a unit. What goes wrong with a test, the kernel or Kiln is in the results, which come in the order of the
 * requests; only an interruption is thrown, after every test that has come to its end was announced.
 */
export async function runUnit(
  { isolation, requests }: Unit,
  execution: Execution,
  watcher: Watcher = {},
): Promise<TestResult[]> {
  const announced: Promise<TestResult>[] = [];
  const announce = (request: TestRequest, result: TestResult) =>
    void announced.push(complete(request, result, execution, watcher));
  const begins = (request: TestRequest) => watcher.begins?.(request);
  try {
    if (isolation === 'case') {
      const [request] = requests as [TestRequest];
      announce(request, refuseUnfit(request) ?? (await runByCase(request, execution, begins)));
    } else await runInOneGuest(requests, execution, { begins, ended: announce });
  } finally {
    await Promise.all(announced);
  }
  return Promise.all(announced);
}

/** The guest's slot is free by now, so that looking up lines keeps no other test waiting. */
async function complete(
  request: TestRequest,
  judged: TestResult,
  { decode }: Execution,
  watcher: Watcher,
): Promise<TestResult> {
  const result = requireExpected(judged, request.expectSplats, request.reproduce);
  await Promise.all([decode?.(result.splats), addAsserted(result.cases, request.suiteDir)]);
  watcher.ended?.(request, result);
  return result;
}
