// SPDX-License-Identifier: MIT
// Commits as kernels: each is built in the moving work tree of its repository, and the test runs on it.
import { join } from 'node:path';
import { asKilnError, KilnError } from '../errors.ts';
import type { Plan } from '../job/plan.ts';
import type { JobRecorder, StageResult } from '../job/recorder.ts';
import type { Inspector } from '../job/stages.ts';
import { kernelKey } from '../kernel/kernel.ts';
import type { JobOutcome } from '../results/assemble.ts';
import { ofTheCommit, oneLine } from '../results/gitBisect.ts';
import { isBad } from '../results/judge.ts';
import { type Run, runJobs } from '../run.ts';
import type { TestResult } from '../schema.ts';
import { allEnded } from '../util/ended.ts';
import { readCachedJson, writeAtomic } from '../util/files.ts';
import { contentKey } from '../util/hash.ts';
import {
  type Answer,
  askCommit,
  compareEnds,
  type Ends,
  type Outcome,
  type RunTest,
  Subject,
  shareOf,
} from './bisect.ts';
import type { Runs } from './bisectEvidence.ts';
import { failsAgain } from './failures.ts';
import { keyOfJob } from './known.ts';
import { findUnit, runAgain, type Side } from './replay.ts';

export type BisectRequest = {
  /** Runs one test. */
  plan: Plan;
  suite: string;
  test: string;
  /** The case that is looked at; null: the test as a whole. */
  case: string | null;
  repository: string;
  cache: string;
  /** Run also what was decided before. */
  again: boolean;
};

/** Runs at once, at most: a commit rarely takes more. */
const widest = 8;

/** Builds commits and runs the test on them. What it throws ends the bisection. */
export class BisectTester {
  /** Of all commits so far. */
  readonly outcomes: JobOutcome[] = [];
  readonly #request: BisectRequest;
  readonly #run: Run;
  #sides: { good: Side; bad: Side } | null = null;

  constructor(request: BisectRequest, run: Run) {
    this.#request = request;
    this.#run = { ...run, inspector: rememberFailures(request) };
  }

  /** Build both ends and compare them. Throws if one is not as it should be. */
  async ends(good: string, bad: string, error: number): Promise<Ends> {
    const onGood = await this.#atEnd('GOOD', good, async (side) => ({ value: side, text: 'waits for BAD' }));
    return this.#atEnd('BAD', bad, async (side, recorder) => {
      this.#sides = { good: onGood, bad: side };
      const path = this.#pathOf('bisect ends 1');
      const known = this.#request.again ? undefined : await readCachedJson<KnownEnds>(path);
      const runs = { good: this.#runTest(onGood, recorder), bad: this.#runTest(side, recorder) };
      const ends =
        known && known.error <= error
          ? {
              ...known,
              good: new Subject('GOOD', runs.good, known.looksFor, known.good),
              bad: new Subject('BAD', runs.bad, known.looksFor, known.bad),
            }
          : await compareEnds(runs.good, runs.bad, error);
      if (!known || known.error > error)
        await writeAtomic(
          path,
          JSON.stringify({
            good: ends.good.runs,
            bad: ends.bad.runs,
            looksFor: ends.looksFor,
            error,
          } satisfies KnownEnds),
        );
      return { value: ends, text: `GOOD fails ${shareOf(ends.good.runs)}, BAD ${shareOf(ends.bad.runs)}` };
    });
  }

  /** Build a commit and run the test until it is decided. */
  async ask(commit: string, ends: Ends, error: number): Promise<Answer> {
    const { value, outcome } = await this.#at(commit.slice(0, 12), commit, async (side, recorder) => {
      const path = this.#pathOf('bisect 1', side.key);
      const known = this.#request.again ? undefined : await readCachedJson<KnownAnswer>(path);
      const isKnown = known !== undefined && known.error <= error;
      const answer = isKnown ? known.answer : await askCommit(this.#runTest(side, recorder), ends, error);
      if (!isKnown && answer.answer !== 'skip')
        await writeAtomic(path, JSON.stringify({ answer, error } satisfies KnownAnswer));
      const runs = answer.runs === null ? answer.why : `${shareOf(answer.runs)} fail`;
      return { value: answer, text: `${answer.answer}, ${runs}`, cached: isKnown };
    });
    if (value) return value;
    const failed = outcome.error!;
    if (!ofTheCommit.has(failed.code)) throw failed;
    return { answer: 'skip', runs: null, why: oneLine(failed.message) };
  }

  async #atEnd<T>(name: string, commit: string, use: Use<T>): Promise<T> {
    const { value, outcome } = await this.#at(name.toLowerCase(), commit, use);
    if (value) return value;
    const { code, message, hint, details } = outcome.error!;
    // What compares the ends names them itself.
    const text = ofTheCommit.has(code) ? `${name} (${commit.slice(0, 12)}): ${message}` : message;
    throw new KilnError(code, text, { hint, details, cause: outcome.error });
  }

  async #at<T>(id: string, commit: string, use: Use<T>): Promise<{ value: T | null; outcome: JobOutcome }> {
    const { plan, repository } = this.#request;
    const ask = { ...plan.ask, base: `git:${repository}#${commit}` };
    let value: T | null = null;
    const [outcome] = await runJobs([{ ...plan, id, checksWarnings: false, ask }], {
      ...this.#run,
      execute: async (recorder, built, runDir, execution): Promise<StageResult<void>> => {
        const side = { plan: recorder.plan, built, execution, runDir, key: keyOfJob(recorder.plan, built) };
        const used = await use(side, recorder);
        value = used.value;
        return { cached: used.cached ?? false, text: used.text, value: undefined };
      },
    });
    this.outcomes.push(outcome!);
    return { value: outcome!.error ? null : value, outcome: outcome! };
  }

  /** Keeps the logs of the first failure on a kernel. */
  #runTest(side: Side, recorder: JobRecorder): RunTest {
    const { suite, test, case: name } = this.#request;
    const unit = findUnit(side, suite, test);
    if (!unit) return async () => [{ kind: 'not-run', detail: `${suite} is left out` }];
    let [attempts, isStored] = [0, false];
    const isKept = (result: TestResult) => {
      const isFailure = ['fail', 'no-boot'].includes(outcomeOf(result, name).kind);
      if (isStored || !isFailure || result.job !== recorder.plan.id) return false;
      recorder.tests.push(result);
      isStored = true;
      return true;
    };
    return async () => {
      const count = Math.min(side.execution.pool.slots, widest);
      const runs = Array.from({ length: count }, () => runAgain(unit, side, ++attempts, isKept));
      return (await allEnded(runs)).map((result) => outcomeOf(result, name));
    };
  }

  #pathOf(...parts: string[]): string {
    const { cache, case: name } = this.#request;
    const { good, bad } = this.#sides!;
    return join(
      cache,
      'known',
      'decisions',
      `${contentKey(...parts, good.key, bad.key, JSON.stringify(name))}.json`,
    );
  }
}

type Use<T> = (side: Side, recorder: JobRecorder) => Promise<{ value: T; text: string; cached?: boolean }>;
type KnownEnds = { good: Runs; bad: Runs; looksFor: Ends['looksFor']; error: number };
type KnownAnswer = { answer: Answer; error: number };

/** What a run says of the test, or of one of its cases. */
export function outcomeOf(result: TestResult, name: string | null): Outcome {
  const { suite, test, verdict, detail, boot_ms, cases, guest } = result;
  if (verdict === 'error') return { kind: 'error', detail };
  // Its program does not build.
  if (guest === null) return { kind: 'not-run', detail };
  if (boot_ms === null && isBad(verdict)) return { kind: 'no-boot', detail };
  const own = cases.find((one) => one.name === name);
  if (failsAgain({ suite, test, case: name, splat: null }, result))
    return { kind: 'fail', detail: own?.detail.trimEnd().split('\n').at(-1) || detail };
  if (verdict === 'skip') return { kind: 'not-run', detail: `it is skipped: ${detail}` };
  if (name !== null && !own) return { kind: 'not-run', detail: `it has no case ${name}` };
  if (own?.verdict === 'skip') return { kind: 'not-run', detail: `the case is skipped: ${own.detail}` };
  return { kind: 'pass', detail };
}

/** A kernel that did not build does not build in a second call either: that is stored, as kernels are. */
function rememberFailures({ cache, again }: BisectRequest): Inspector {
  const pathOf = (request: Parameters<Inspector['beforeBuild']>[1]) =>
    join(cache, 'known', 'decisions', `${contentKey('does not build 1', kernelKey(request))}.json`);
  return {
    beforeBuild: async (_, request) => {
      const known = again ? undefined : await readCachedJson<{ message: string }>(pathOf(request));
      if (known?.message) throw new KilnError('does-not-build', known.message);
    },
    whileBuilt: async () => {},
    afterBuild: async () => {},
    buildFailed: async (request, error) => {
      const { code, message } = asKilnError(error);
      if (code === 'does-not-build') await writeAtomic(pathOf(request), JSON.stringify({ message }));
    },
  };
}
