// SPDX-License-Identifier: MIT
// Tests in a guest: one alone, or several that share it, one after another; once more where the host is to blame.
import { mkdir, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { HeldBack, Loss } from '../channel/session.ts';
import { asKilnError } from '../errors.ts';
import { guestArgv, type Machine } from '../guest/qemu.ts';
import type { Load } from '../guest/steal.ts';
import { type Lease, replay } from '../pool/pool.ts';
import { Collector } from '../results/collector.ts';
import { mergeGenerations } from '../results/generations.ts';
import { describeLoad, mayBeHosts } from '../results/timing.ts';
import type { TestResult } from '../schema.ts';
import { quote } from '../util/quote.ts';
import type { Turn } from '../util/turns.ts';
import type { Execution } from './execution.ts';
import { runGenerations } from './generation.ts';
import type { TestRequest } from './request.ts';

/** Called for each test of a guest in turn, also for one that is refused. */
type Callbacks = {
  begins: (request: TestRequest) => void;
  ended: (request: TestRequest, result: TestResult) => void;
};

/**
 * Run tests in one guest, one after another; after one that was lost, the next has a new one. What goes wrong with
 * a test, the kernel or Kiln is in the result; only an interruption is thrown.
 */
export async function runInOneGuest(
  requests: TestRequest[],
  execution: Execution,
  { begins, ended }: Callbacks,
): Promise<void> {
  const { pool, context } = execution;
  const { machine, origin } = requests[0]!;
  using turn = await pool.turn(machine, origin, context);
  let kept: Kept | null = null;
  try {
    for (const [index, request] of requests.entries()) {
      context.signal.throwIfAborted();
      let result = execution.refuse?.(request) ?? refuseUnfit(request) ?? refuseTooLarge(request);
      if (result) {
        ended(request, result);
        continue;
      }
      begins(request);
      try {
        const isLast = index === requests.length - 1;
        let hadNoRoom: boolean;
        ({ result, kept, hadNoRoom } = await attempt(request, kept, isLast, turn, execution));
        if (hadNoRoom) result = await runBooted(request, result, turn, execution);
        if (isHostsDoing(result) && !kept) result = await runAgain(request, result, turn, execution);
      } catch (thrown) {
        context.signal.throwIfAborted();
        // Its guest has been ended: what failed did so in an attempt.
        kept = null;
        const { message, hint } = asKilnError(thrown);
        result = notRun(request, 'error', [message, hint].filter(Boolean).join('; '));
      }
      context.signal.throwIfAborted();
      ended(request, result);
    }
  } finally {
    kept?.lease[Symbol.dispose]();
  }
}

/** Run one test in a guest of its own. */
export async function runAlone(request: TestRequest, execution: Execution): Promise<TestResult> {
  const { promise, resolve } = Promise.withResolvers<TestResult>();
  await runInOneGuest([request], execution, { begins: () => {}, ended: (_, result) => resolve(result) });
  return promise;
}

/** The result of a test that can't be run in any guest: its program does not build, or the processor lacks a feature. */
export function refuseUnfit(request: TestRequest): TestResult | null {
  return refuseBroken(request) ?? refuseLacking(request);
}

function refuseLacking(request: TestRequest): TestResult | null {
  if (request.lacks === undefined) return null;
  return notRun(request, 'skip', `not run: the guests' processor has no ${request.lacks.join(' and no ')}`);
}

function refuseBroken(request: TestRequest): TestResult | null {
  if (!request.broken) return null;
  const { errors, hint } = request.broken;
  const result = notRun(request, 'fail', `does not build: ${errors[0]}`);
  return { ...result, problems: [...errors.slice(1), ...(hint === '' ? [] : [hint])] };
}

/** MiB. */
const hostMemory = Math.round(totalmem() / 2 ** 20);

function refuseTooLarge(request: TestRequest): TestResult | null {
  const { memory } = request.machine;
  if (memory <= hostMemory) return null;
  const why = `it wants a guest with ${memory} MiB of memory, this machine has ${hostMemory}`;
  return notRun(request, 'error', `not run: ${why}`);
}

/** A second fork does not help against a splat in the log of the template's boot: every fork has that log. */
function isHostsDoing({ verdict, tempo, splats, cases, time, guest }: TestResult): boolean {
  // A guest that stalls for long enough says nothing any more, and is lost.
  const isSuspect = verdict === 'fail' || verdict === 'crash' || tempo === 'hung';
  if (!isSuspect || !time) return false;
  if (guest?.origin === 'fork' && splats.some(({ phase, notice }) => phase === 'boot' && !notice))
    return false;
  return mayBeHosts({ splats, cases }, loadOf(time));
}

function loadOf(time: NonNullable<TestResult['time']>): Load {
  return { elapsed: time.elapsed_ms, steal: time.lost_ms, stopped: time.stopped_ms };
}

/** A booted guest does not share its memory with a template. */
async function runBooted(
  request: TestRequest,
  first: TestResult,
  turn: Turn,
  execution: Execution,
): Promise<TestResult> {
  await execution.pool.bootFromNowOn(request.machine, execution.context);
  await turn.retakePlace();
  const again = { ...request, guestDir: join(request.guestDir, 'booted') };
  const { result } = await attempt(again, null, true, turn, execution);
  result.problems.push(`it was run once more, in a guest that was booted: at first ${first.detail}`);
  return result;
}

/** A failure that also occurs in another guest is not caused by the host. */
async function runAgain(
  request: TestRequest,
  first: TestResult,
  turn: Turn,
  execution: Execution,
): Promise<TestResult> {
  await turn.retakePlace();
  const again = { ...request, guestDir: join(request.guestDir, 'again') };
  const { result } = await attempt(again, null, true, turn, execution);
  const why = describeLoad(loadOf(first.time!));
  result.problems.push(`it was run once more: ${first.verdict} at first (${first.detail}), while ${why}`);
  return result;
}

/** A guest between two tests, and its output until the next one begins. */
type Kept = { lease: Lease; between: HeldBack };

/** `kept`: the guest, if it can run another test. `hadNoRoom`: a fork ran out of room for its memory. */
type Outcome = { result: TestResult; kept: Kept | null; hadNoRoom: boolean };

async function attempt(
  request: TestRequest,
  before: Kept | null,
  isLast: boolean,
  turn: Turn,
  { pool, context }: Execution,
): Promise<Outcome> {
  const { guestDir, machine } = request;
  await mkdir(guestDir, { recursive: true });
  const script = writeFile(join(guestDir, 'qemu.sh'), bootScript(machine), { mode: 0o755 });
  const collector = new Collector(guestDir);
  let lease = before?.lease ?? null;
  const from = new Date().toISOString();
  try {
    // Each test's logs begin with the boot, even if other tests ran in the guest before.
    if (before?.lease.logs) replay(before.lease.logs, collector);
    before?.between.release(collector);
    before?.lease.session?.tell(collector);
    lease ??= await pool.acquire(machine, request.origin, collector, context);
    // A fork is dropped: its machine's shutdown is the same for all of them, and isolation=boot sees it.
    const powerOff = isLast && lease.origin === 'boot';
    // While its kernel settles, the next guest may start.
    const onSettling = () => {
      if (isLast && !powerOff) turn.leavePlace();
    };
    const isUsed = before !== null;
    const generations = await runGenerations({ request, lease, isUsed, powerOff, onSettling }, collector);
    const result = request.kexec ? mergeGenerations(generations) : generations[0]!.result;
    if (result.guest) result.guest.span = { from, to: new Date().toISOString() };
    const { isOver, between, run } = generations.at(-1)!;
    if (isOver && !isLast) return { result, kept: { lease, between }, hadNoRoom: false };
    lease[Symbol.dispose]();
    return { result, kept: null, hadNoRoom: lease.origin === 'fork' && diedOfSigbus(run?.loss ?? null) };
  } catch (error) {
    lease?.[Symbol.dispose]();
    throw error;
  } finally {
    await Promise.all([script, collector.close()]);
  }
}

/** How QEMU learns that the file which holds its memory can't grow. */
function diedOfSigbus(loss: Loss | null): boolean {
  return loss?.why === 'exited' && loss.exit.signal === 'SIGBUS';
}

/** A script that boots this machine. QEMU connects to sockets in the directory `sockets`. */
function bootScript(machine: Machine): string {
  return `#!/bin/sh\nexec ${guestArgv(machine, 'sockets').map(quote).join(' ')}\n`;
}

/** The result of a test that could not be run. */
export function notRun(
  { suite, test, job, reproduce }: TestRequest,
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
