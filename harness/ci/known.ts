// SPDX-License-Identifier: MIT
// What the same tests on the same kernel did before, and what replays have decided: it is not run again.
import { join } from 'node:path';
import type { Built } from '../job/built.ts';
import type { Plan } from '../job/plan.ts';
import type { TestResult } from '../schema.ts';
import { readCachedJson, writeAtomic } from '../util/files.ts';
import { contentKey } from '../util/hash.ts';
import type { Failure } from './failures.ts';
import type { Decision } from './replay.ts';

/** Results of all tests of a job, in the plan's order. */
type KnownTests = { run: string; tests: TestResult[] };

/** Identifies what a job runs, and on what. Jobs with one key have the same results, but for chance. */
export function keyOfJob({ ask }: Plan, { kernel, image, accelerator, bootWords, run, next }: Built): string {
  const tests = run.map(({ suite, tests: own }) => [
    suite.name,
    own.map(({ name, settings }) => [name, settings]),
  ]);
  const { timeout, isolate, generations } = ask;
  return contentKey(
    'known 1',
    ...[kernel.key, image.key, accelerator.name, accelerator.cpu, bootWords],
    JSON.stringify([tests, timeout, isolate, generations, next.kernels], asText),
  );
}

/** JSON has no regular expressions: settings have some. */
function asText(_: string, value: unknown): unknown {
  return value instanceof RegExp ? String(value) : value;
}

/**
 * The results that a job with this key had. Their logs are those of the earlier run, which may be gone, so they have no
 * guest.
 */
export async function findKnown(cache: string, key: string, job: string): Promise<KnownTests | null> {
  const found = await readCachedJson<KnownTests>(pathOf(cache, 'tests', key));
  if (!Array.isArray(found?.tests)) return null;
  return { run: found.run, tests: found.tests.map((one) => ({ ...one, job, guest: null, artifacts: [] })) };
}

/** Keep the results of a job, unless one was an infrastructure error, which says nothing of the kernel. */
export async function storeKnown(
  cache: string,
  key: string,
  run: string,
  tests: TestResult[],
): Promise<void> {
  if (tests.some(({ verdict }) => verdict === 'error')) return;
  await writeAtomic(pathOf(cache, 'tests', key), JSON.stringify({ run, tests }));
}

/** A decision, and the probability that it is wrong, at most. */
type KnownDecision = { decision: Decision; error: number };

/**
 * A decision on one failure, between the tests of two jobs.
 * @param error as much as the run can bear: what was decided less strictly is decided anew
 */
export async function findDecision(
  cache: string,
  keys: string[],
  failure: Failure,
  error: number,
): Promise<Decision | null> {
  const known = await readCachedJson<KnownDecision>(decisionPath(cache, keys, failure));
  return known && known.error <= error ? known.decision : null;
}

/** What stays undecided is asked again. */
export async function storeDecision(
  cache: string,
  keys: string[],
  decision: Decision,
  error: number,
): Promise<void> {
  if (decision.answer === 'undecided') return;
  const known: KnownDecision = { decision, error };
  await writeAtomic(decisionPath(cache, keys, decision.failure), JSON.stringify(known));
}

function decisionPath(cache: string, keys: string[], failure: Failure): string {
  return pathOf(cache, 'decisions', contentKey('decision 2', ...keys, JSON.stringify(failure)));
}

function pathOf(cache: string, kind: string, key: string): string {
  return join(cache, 'known', kind, `${key}.json`);
}
