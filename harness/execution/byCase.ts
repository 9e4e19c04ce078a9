// SPDX-License-Identifier: MIT
// One test program, each of its cases in a guest of its own.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readCaseList } from '../ktap/caseList.ts';
import { namedOnce } from '../ktap/result.ts';
import { limits } from '../limits.ts';
import { logFiles } from '../results/collector.ts';
import { isBad, worst } from '../results/judge.ts';
import type { CaseResult, TestResult } from '../schema.ts';
import { allEnded } from '../util/ended.ts';
import { plural } from '../util/plural.ts';
import { runAlone } from './attempt.ts';
import type { Execution } from './execution.ts';
import type { TestRequest } from './request.ts';

/**
 * Run a test case by case: its `-l` tells their names, `-r NAME` runs one (kselftest_harness.h). A program that
 * lists none is run as a whole.
 */
export async function runByCase(
  request: TestRequest,
  execution: Execution,
  begins: (request: TestRequest) => void,
): Promise<TestResult> {
  const { guestDir } = request;
  const listDir = join(guestDir, 'list');
  begins(request);
  const listing = { ...request, args: ['-l'], limit: limits.list / 1000, guestDir: listDir };
  const listed = await runAlone(listing, execution);
  if (listed.verdict === 'crash' || listed.verdict === 'error') return listed;
  const names = listsCases(listed) && readCaseList(await readFile(join(listDir, logFiles.output), 'utf8'));
  if (!names) {
    const whole = await runAlone(request, execution);
    whole.problems.push('it lists no cases (-l), so all of it ran in one guest');
    return whole;
  }
  const results = await allEnded(
    names.map((name, index) => {
      const caseDir = join(guestDir, `${index + 1}-${fileName(name)}`);
      return runAlone({ ...request, args: ['-r', name], guestDir: caseDir }, execution);
    }),
  );
  return merge(request, names, results);
}

/** A listing that was cut short, or ended badly, may lack some. */
function listsCases({ verdict }: TestResult): boolean {
  return verdict === 'skip' || verdict === 'pass';
}

/** One test's result out of its cases'; the guest shown is that of the worst. */
function merge(request: TestRequest, names: string[], results: TestResult[]): TestResult {
  const decisive = worst(results);
  const bad = results.filter(({ verdict }) => isBad(verdict));
  const detail =
    bad.length === 0
      ? decisive.detail
      : `${bad.length} of ${plural(results.length, 'case')}: ${decisive.detail}`;
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
    cases: namedOnce(results.flatMap((result, index) => casesOf(result, names[index]!))),
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

function fileName(name: string): string {
  return name.replace(/[^A-Za-z0-9._-]+/g, '_').slice(0, 100);
}
