// SPDX-License-Identifier: MIT
// Tests and their guests: one in a guest of its own, or several that share one, one after another.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HeldBack, Loss } from '../channel/session.ts';
import type { Context } from '../context.ts';
import { asKilnError } from '../errors.ts';
import { guestArgv, type Machine } from '../guest/machine.ts';
import type { Load } from '../guest/steal.ts';
import { type Guests, type Lodging, retell } from '../pool/pool.ts';
import { Collector } from '../results/collector.ts';
import { mergeGenerations } from '../results/generations.ts';
import { describeLoad, mayBeHosts } from '../results/timing.ts';
import type { TestResult } from '../schema.ts';
import { quote } from '../util/quote.ts';
import { passAll, type TrialRequest } from './generation.ts';

/** Who is told when a test begins and what came of it. */
export type Watcher = {
  begins: (request: TrialRequest) => void;
  ended: (request: TrialRequest, result: TestResult) => void;
  /** A result that makes running it pointless; asked when its turn comes. */
  instead: (request: TrialRequest) => TestResult | null;
};

/**
 * Run tests in one guest, one after another; after one that was lost, the next has a new one. A test's trouble, the
 * kernel's and ours is in its result; only an interruption is thrown.
 */
export async function runTrials(
  requests: TrialRequest[],
  guests: Guests,
  context: Context,
  watcher: Watcher,
): Promise<void> {
  const { machine, origin } = requests[0]!;
  using _turn = await guests.turn(machine, origin);
  let kept: Kept | null = null;
  try {
    for (const [index, request] of requests.entries()) {
      context.signal.throwIfAborted();
      let result = watcher.instead(request);
      if (result) {
        watcher.ended(request, result);
        continue;
      }
      watcher.begins(request);
      try {
        const isLast = index === requests.length - 1;
        let hadNoRoom: boolean;
        ({ result, kept, hadNoRoom } = await runTrial(request, kept, isLast, guests));
        if (hadNoRoom) result = await runBooted(request, result, guests);
        if (isHostsDoing(result) && !kept) result = await runAgain(request, result, guests);
      } catch (thrown) {
        context.signal.throwIfAborted();
        kept?.lodging[Symbol.dispose]();
        kept = null;
        const { message, hint } = asKilnError(thrown);
        result = notRun(request, 'error', [message, hint].filter(Boolean).join('; '));
      }
      context.signal.throwIfAborted();
      watcher.ended(request, result);
    }
  } finally {
    kept?.lodging[Symbol.dispose]();
  }
}

/** What a fork's template complained of would come again with every fork. */
function isHostsDoing({ verdict, splats, cases, time, guest }: TestResult): boolean {
  if (verdict !== 'fail' || !time) return false;
  if (guest?.origin === 'fork' && splats.some(({ phase }) => phase === 'boot')) return false;
  return mayBeHosts({ splats, cases }, loadOf(time));
}

function loadOf(time: NonNullable<TestResult['time']>): Load {
  return { elapsed: time.elapsed_ms, lost: time.lost_ms, stopped: time.stopped_ms };
}

/** A guest that is booted has its memory to itself. */
async function runBooted(request: TrialRequest, first: TestResult, guests: Guests): Promise<TestResult> {
  await guests.outgrew(request.machine);
  const again = { ...request, guestDir: join(request.guestDir, 'booted') };
  const { result } = await runTrial(again, null, true, guests);
  result.problems.push(`it was run once more, in a guest that was booted: at first ${first.detail}`);
  return result;
}

/** What comes again in another guest was not the host's doing. */
async function runAgain(request: TrialRequest, first: TestResult, guests: Guests): Promise<TestResult> {
  const again = { ...request, guestDir: join(request.guestDir, 'again') };
  const { result } = await runTrial(again, null, true, guests);
  const why = describeLoad(loadOf(first.time!));
  result.problems.push(`it was run once more: ${first.verdict} at first (${first.detail}), while ${why}`);
  return result;
}

/** A guest between two tests, and what it says meanwhile. */
type Kept = { lodging: Lodging; between: HeldBack };

/** `kept`: the guest, if it can run another test. `hadNoRoom`: it was a fork, and its memory found no place. */
type Outcome = { result: TestResult; kept: Kept | null; hadNoRoom: boolean };

async function runTrial(
  request: TrialRequest,
  before: Kept | null,
  isLast: boolean,
  guests: Guests,
): Promise<Outcome> {
  const { guestDir, machine } = request;
  await mkdir(guestDir, { recursive: true });
  const script = writeFile(join(guestDir, 'qemu.sh'), bootScript(machine), { mode: 0o755 });
  const collector = new Collector(guestDir);
  let lodging = before?.lodging ?? null;
  try {
    // Each test's logs begin with the boot, also in a guest that others have had before.
    if (before?.lodging.logs) retell(before.lodging.logs, collector);
    before?.between.release(collector);
    before?.lodging.session?.tell(collector);
    lodging ??= await guests.lodge(machine, request.origin, collector);
    // A fork is dropped: its machine's shutdown is the same for all of them, and isolation=boot sees it.
    const powerOff = isLast && lodging.origin === 'boot';
    const trial = { request, lodging, isUsed: before !== null, powerOff };
    const passages = await passAll(trial, collector);
    const result = request.kexec ? mergeGenerations(passages) : passages[0]!.result;
    const { isOver, between, run } = passages.at(-1)!;
    if (isOver && !isLast) return { result, kept: { lodging, between }, hadNoRoom: false };
    lodging[Symbol.dispose]();
    return { result, kept: null, hadNoRoom: lodging.origin === 'fork' && diedOfSigbus(run?.loss ?? null) };
  } catch (error) {
    lodging?.[Symbol.dispose]();
    throw error;
  } finally {
    await Promise.all([script, collector.close()]);
  }
}

/** How QEMU learns that the file which holds its memory can't grow. */
function diedOfSigbus(loss: Loss | null): boolean {
  return loss?.why === 'exited' && loss.exit.signal === 'SIGBUS';
}

/** What boots this machine; QEMU looks for its sockets in the directory `sockets`. */
function bootScript(machine: Machine): string {
  return `#!/bin/sh\nexec ${guestArgv(machine, 'sockets').map(quote).join(' ')}\n`;
}

/** The result of a test that could not be run. */
export function notRun(
  { suite, test, job, reproduce }: TrialRequest,
  verdict: TestResult['verdict'],
  detail: string,
): TestResult {
  const nothing = {
    cases: [],
    splats: [],
    problems: [],
    artifacts: [],
    duration_ms: 0,
    boot_ms: null,
    guest: null,
  };
  return { suite, test, job, verdict, detail, ...nothing, reproduce };
}
