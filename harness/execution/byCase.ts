// SPDX-License-Identifier: MIT
// One test program, each of its cases in a guest of its own.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { readCaseList } from '../ktap/caseList.ts';
import type { Guests } from '../pool/pool.ts';
import { logFiles } from '../results/collector.ts';
import { isBad, worst } from '../results/judge.ts';
import type { CaseResult, TestResult } from '../schema.ts';
import { allEnded } from '../util/ended.ts';
import { notRun, runTrials, type Watcher } from './attempt.ts';
import type { TrialRequest } from './generation.ts';

/** Seconds in which a program lists its cases. */
const listLimit = 20;

/**
 * Run a test case by case: its `-l` tells their names, `-r NAME` runs one (kselftest_harness.h). A program that
 * lists none is run as a whole.
 */
export async function runByCase(
  request: TrialRequest,
  guests: Guests,
  context: Context,
  watcher: Watcher,
): Promise<void> {
  const { guestDir } = request;
  const listDir = join(guestDir, 'list');
  const once = (one: TrialRequest) => runOne(one, guests, context, watcher);
  watcher.begins(request);
  const listed = await once({ ...request, args: ['-l'], limit: listLimit, guestDir: listDir });
  if (listed.verdict === 'crash' || listed.verdict === 'error') return watcher.ended(request, listed);
  const names = listsCases(listed) && readCaseList(await readFile(join(listDir, logFiles.output), 'utf8'));
  if (!names) {
    const whole = await once(request);
    whole.problems.push('it lists no cases (-l), so all of it ran in one guest');
    return watcher.ended(request, whole);
  }
  const results = await allEnded(
    names.map((name, index) =>
      once({ ...request, args: ['-r', name], guestDir: join(guestDir, `${index + 1}-${tame(name)}`) }),
    ),
  );
  watcher.ended(request, merge(request, names, results));
}

/** A listing that was cut short, or ended badly, may lack some. */
function listsCases({ verdict }: TestResult): boolean {
  return verdict === 'skip' || verdict === 'pass';
}

async function runOne(
  request: TrialRequest,
  guests: Guests,
  context: Context,
  watcher: Watcher,
): Promise<TestResult> {
  let result = notRun(request, 'error', 'it did not come to its turn');
  await runTrials([request], guests, context, {
    begins: () => {},
    ended: (_, ended) => {
      result = ended;
    },
    instead: watcher.instead,
  });
  return result;
}

/** One test's result out of its cases'; the guest shown is that of the worst. */
function merge(request: TrialRequest, names: string[], results: TestResult[]): TestResult {
  const decisive = worst(results);
  const bad = results.filter(({ verdict }) => isBad(verdict));
  const detail =
    bad.length === 0 ? decisive.detail : `${bad.length} of ${results.length} cases: ${decisive.detail}`;
  const problems = results.flatMap((result, index) =>
    result.problems.map((text) => `${names[index]}: ${text}`),
  );
  return {
    suite: request.suite,
    test: request.test,
    job: request.job,
    verdict: decisive.verdict,
    detail,
    tempo: decisive.tempo,
    time: decisive.time,
    cases: results.flatMap((result, index) => casesOf(result, names[index]!)),
    splats: results.flatMap(({ splats }) => splats),
    problems,
    duration_ms: results.reduce((sum, { duration_ms }) => sum + duration_ms, 0),
    boot_ms: decisive.boot_ms,
    guest: decisive.guest,
    artifacts: results.flatMap(({ artifacts }) => artifacts),
    reproduce: decisive.reproduce,
  };
}

/** A case whose guest died has left no result line: this is it. */
function casesOf({ verdict, detail, cases }: TestResult, name: string): CaseResult[] {
  if (!isBad(verdict) || cases.some((one) => isBad(one.verdict))) return cases;
  return [{ name, verdict: verdict === 'timeout' ? 'timeout' : 'fail', detail: `${verdict}: ${detail}` }];
}

function tame(name: string): string {
  return name.replace(/[^A-Za-z0-9._-]+/g, '_').slice(0, 100);
}
