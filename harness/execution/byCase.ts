// SPDX-License-Identifier: MIT
// One test program, each of its cases in a guest of its own: forked before the program starts, or when its set-up is
// done.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readCaseList } from '../ktap/caseList.ts';
import { namedOnce } from '../ktap/result.ts';
import type { Pool } from '../pool/pool.ts';
import { logFiles } from '../results/collector.ts';
import { isBad, worst } from '../results/judge.ts';
import type { CaseResult, TestResult } from '../schema.ts';
import { allEnded } from '../util/ended.ts';
import { plural } from '../util/plural.ts';
import { runAlone } from './attempt.ts';
import type { Execution } from './execution.ts';
import { placeOf, type TestRequest } from './request.ts';

/** What a listing has told. `isReady`: the program calls kiln_ready(). */
type Listed = { names: string[]; isReady: boolean };

/** By program, so that repetitions of a test list its cases once. */
const listings = new WeakMap<Pool, Map<string, Listed>>();

/**
 * Run a test case by case: its `-l` tells their names, `-r NAME` runs one (kselftest_harness.h). If it calls
 * kiln_ready(), the cases begin there. A program that lists none is run as a whole.
 */
export async function runByCase(
  request: TestRequest,
  execution: Execution,
  begins: (request: TestRequest) => void,
): Promise<TestResult> {
  const { pool, context } = execution;
  begins(request);
  const known = listings.get(pool) ?? new Map<string, Listed>();
  listings.set(pool, known);
  const key = JSON.stringify([request.machine, placeOf(request)]);
  const listed = known.get(key) ?? (await list(request, execution));
  if ('verdict' in listed) return listed;
  const { names, isReady } = listed;
  if (names.length === 0) return runWhole(request, execution, 'it lists no cases (-l)');
  known.set(key, listed);
  const { fixedLimit, limit, origin } = request;
  const setUp =
    isReady && origin === 'fork' ? { ...placeOf(request), limit: fixedLimit ?? limit } : undefined;
  const machine = { ...request.machine, ...(setUp && { setUp }) };
  const trouble = setUp ? await pool.setUp(machine, context) : null;
  if (trouble !== null) return runWhole(request, execution, trouble);
  const results = await allEnded(
    names.map((name, index) => {
      const caseDir = join(request.guestDir, `${index + 1}-${fileName(name)}`);
      return runAlone({ ...request, machine, args: ['-r', name], guestDir: caseDir }, execution);
    }),
  );
  return merge(request, names, results);
}

/** The program's cases, or the result of a listing that can't be used. */
async function list(request: TestRequest, execution: Execution): Promise<Listed | TestResult> {
  const guestDir = join(request.guestDir, 'list');
  let isReady = false;
  const onReady = () => {
    isReady = true;
  };
  // It may take as long as a test: its set-up comes before the list.
  const listed = await runAlone({ ...request, args: ['-l'], guestDir, onReady }, execution);
  if (listed.verdict === 'crash' || listed.verdict === 'error') return listed;
  const output = await readFile(join(guestDir, logFiles.output), 'utf8');
  return { names: (listsCases(listed) && readCaseList(output)) || [], isReady };
}

async function runWhole(request: TestRequest, execution: Execution, why: string): Promise<TestResult> {
  const whole = await runAlone(request, execution);
  whole.problems.push(`${why}, so all of it ran in one guest`);
  return whole;
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
