// SPDX-License-Identifier: MIT
// One test, many times, each time in a fresh guest.
import { rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Built } from '../job/built.ts';
import type { JobRecorder, StageResult } from '../job/recorder.ts';
import { isFailure, type Tally } from '../results/tally.ts';
import type { Repeat, TestResult } from '../schema.ts';
import { allEnded } from '../util/ended.ts';
import { plural } from '../util/plural.ts';
import { notRun } from './attempt.ts';
import type { Execution } from './execution.ts';
import type { TestRequest, Unit } from './request.ts';
import { runUnit } from './unit.ts';
import { unitsOf } from './units.ts';

/** After so many infrastructure errors in a row, no more runs are started. */
const maxErrors = 10;

/** The arguments of `kiln repeat`. */
export type RepeatRequest = {
  times: number;
  untilFail: boolean;
  /** A command line that does all this again. */
  again: string;
};

/**
 * Run the plan's one test again and again, several guests at once. Results are counted in `tally` as they come; those
 * that it keeps go to `recorder.tests`, and the directories of all others go. Returns why it stopped early, or null.
 */
export async function runRepeats(
  request: RepeatRequest,
  tally: Tally,
  recorder: JobRecorder,
  built: Built,
  runDir: string,
  execution: Execution,
): Promise<StageResult<Repeat['stopped']>> {
  const { times } = request;
  const { plan, emit } = recorder;
  const { slots } = execution.pool;
  const unit = built.run.flatMap((planned) => unitsOf(plan, built, planned, runDir))[0]!;
  const { suite, test } = unit.requests[0]!;
  emit({ type: 'tests-planned', job: plan.id, total: times, guests: Math.min(slots, times) });
  const counter = new Counter(request, tally, recorder);
  let next = 1;
  const runOn = async () => {
    while (next <= times && !counter.stopped) await runOnce(unit, next++, counter, execution);
  };
  // As many again wait for their turn: QEMU is started ahead for those.
  const lanes = Array.from({ length: Math.min(2 * slots, times) }, runOn);
  await allEnded(lanes);
  const { total } = tally.verdicts;
  return {
    value: total < times ? counter.stopped : null,
    cached: false,
    text: `${plural(total, 'run')} of ${suite}/${test}`,
  };
}

/** Run the test once more, unless the repetitions have been stopped when its turn comes. */
async function runOnce(
  { isolation, requests }: Unit,
  run: number,
  counter: Counter,
  execution: Execution,
): Promise<void> {
  const original = requests[0]!;
  const guestDir = join(original.guestDir, String(run));
  const request = { ...original, guestDir, reproduce: counter.again };
  let began = false;
  let keep = false;
  // An attempt that has begun runs to its end, with all its cases.
  const refuse = () => {
    began ||= !counter.stopped;
    return began ? null : notRun(request, 'error', 'not wanted any more');
  };
  const ended = (_: TestRequest, result: TestResult) => {
    if (began) keep = counter.count(run, request, result);
  };
  try {
    await runUnit({ isolation, requests: [request] }, { ...execution, refuse }, { ended });
  } finally {
    if (!keep) await rm(guestDir, { recursive: true, force: true });
  }
}

/** Counts results, emits their events, and decides when to stop. */
class Counter {
  stopped: Repeat['stopped'] = null;
  readonly again: string;
  readonly #request: RepeatRequest;
  readonly #tally: Tally;
  readonly #recorder: JobRecorder;
  #errors = 0;

  constructor(request: RepeatRequest, tally: Tally, recorder: JobRecorder) {
    this.#request = request;
    this.#tally = tally;
    this.#recorder = recorder;
    this.again = request.again;
  }

  /** Returns whether the guest's directory is to be kept. */
  count(run: number, request: TestRequest, result: TestResult): boolean {
    const { tests, emit } = this.#recorder;
    const keep = this.#tally.add(run, result, relative(request.runDir, request.guestDir));
    this.#errors = result.verdict === 'error' ? this.#errors + 1 : 0;
    this.stopped ??= this.#enough(request, result);
    if (keep) {
      tests.push(result);
      emit({ type: 'test-end', job: request.job, result });
    }
    const { failed, verdicts } = this.#tally;
    emit({ type: 'repeat-progress', job: request.job, total: this.#request.times, failed, verdicts });
    return keep && result.guest !== null;
  }

  #enough({ origin }: TestRequest, { verdict, boot_ms }: TestResult): Repeat['stopped'] {
    if (this.#errors >= maxErrors) return 'errors';
    if (!isFailure(verdict)) return null;
    // The guest that all others are forked from did not come up, and would not for the next one.
    if (origin === 'fork' && boot_ms === null) return 'no-boot';
    return this.#request.untilFail ? 'failed' : null;
  }
}
