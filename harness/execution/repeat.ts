// SPDX-License-Identifier: MIT
// One test, many times, each time in a fresh guest.
import { rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Context } from '../context.ts';
import type { Built } from '../job/build.ts';
import type { Line, StageResult } from '../job/recorder.ts';
import { Guests } from '../pool/pool.ts';
import { requireExpected } from '../results/expected.ts';
import { isFailure, type Tally } from '../results/tally.ts';
import type { Repeat, TestResult } from '../schema.ts';
import { allEnded } from '../util/ended.ts';
import { notRun, runTrials, type Watcher } from './attempt.ts';
import { runByCase } from './byCase.ts';
import type { TrialRequest } from './generation.ts';
import { memoryBudget, type Unit, unitsOf } from './schedule.ts';

/** Infrastructure errors in a row after which nobody need wait for the rest. */
const maxErrors = 10;

export type RepeatWish = {
  times: number;
  untilFail: boolean;
  /** A command line that does all this again. */
  again: string;
};

/**
 * Run the plan's one test again and again, several guests at once. Results are counted in `tally` as they come; those
 * that it keeps go to `line.tests`, and the directories of all others go. Returns why it stopped early, or null.
 */
export async function runRepeats(
  wish: RepeatWish,
  tally: Tally,
  line: Line,
  built: Built,
  runDir: string,
  context: Context,
): Promise<StageResult<Repeat['stopped']>> {
  const { times } = wish;
  const { plan, emit } = line;
  const { jobs } = plan.ask;
  const unit = built.run.flatMap((planned) => unitsOf(plan, built, planned, runDir))[0]!;
  const { suite, test } = unit.requests[0]!;
  emit({ type: 'tests-planned', job: plan.id, total: times, guests: Math.min(jobs, times) });
  const counter = new Counter(wish, tally, line);
  await using guests = new Guests(jobs, memoryBudget(), context);
  let next = 1;
  const runOn = async () => {
    while (next <= times && !counter.stopped) await runOnce(unit, next++, counter, guests, context);
  };
  // As many again wait for their turn: QEMU is started ahead for those.
  const lanes = Array.from({ length: Math.min(2 * jobs, times) }, runOn);
  await allEnded(lanes);
  const { total } = tally.verdicts;
  return {
    value: total < times ? counter.stopped : null,
    cached: false,
    text: `${total} runs of ${suite}/${test}`,
  };
}

/** The test once more, unless it is not wanted any more when its turn comes. */
async function runOnce(
  { isolation, requests }: Unit,
  run: number,
  counter: Counter,
  guests: Guests,
  context: Context,
): Promise<void> {
  const original = requests[0]!;
  const guestDir = join(original.guestDir, String(run));
  const request = { ...original, guestDir, reproduce: counter.again };
  let began = false;
  let keep = false;
  const watcher: Watcher = {
    begins: () => {},
    ended: (_, judged) => {
      const result = requireExpected(judged, request.expectSplats, request.reproduce);
      if (began) keep = counter.count(run, request, result);
    },
    // What has begun comes to its end, all cases of it.
    instead: () => {
      began ||= !counter.stopped;
      return began ? null : notRun(request, 'error', 'not wanted any more');
    },
  };
  try {
    await (isolation === 'case'
      ? runByCase(request, guests, context, watcher)
      : runTrials([request], guests, context, watcher));
  } finally {
    if (!keep) await rm(guestDir, { recursive: true, force: true });
  }
}

/** Counts what comes, tells it, and says when it is enough. */
class Counter {
  stopped: Repeat['stopped'] = null;
  readonly again: string;
  readonly #wish: RepeatWish;
  readonly #tally: Tally;
  readonly #line: Line;
  #errors = 0;

  constructor(wish: RepeatWish, tally: Tally, line: Line) {
    this.#wish = wish;
    this.#tally = tally;
    this.#line = line;
    this.again = wish.again;
  }

  /** Returns whether the guest's directory is to be kept. */
  count(run: number, request: TrialRequest, result: TestResult): boolean {
    const { tests, emit } = this.#line;
    const keep = this.#tally.add(run, result, relative(request.runDir, request.guestDir));
    this.#errors = result.verdict === 'error' ? this.#errors + 1 : 0;
    this.stopped ??= this.#enough(request, result);
    if (keep) {
      tests.push(result);
      emit({ type: 'test-end', job: request.job, result });
    }
    const { failed, verdicts } = this.#tally;
    emit({ type: 'repeat-progress', total: this.#wish.times, failed, verdicts });
    return keep && result.guest !== null;
  }

  #enough({ origin }: TrialRequest, { verdict, boot_ms }: TestResult): Repeat['stopped'] {
    if (this.#errors >= maxErrors) return 'errors';
    if (!isFailure(verdict)) return null;
    // What all guests are forked from did not come up: the next one is no other trial.
    if (origin === 'fork' && boot_ms === null) return 'no-boot';
    return this.#wish.untilFail ? 'failed' : null;
  }
}
