// SPDX-License-Identifier: MIT
// One test in a guest: run, fetch, judge. And tests that share a guest, one after another.
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { HeldBack, type Loss, type Session } from './channel/session.ts';
import { asKilnError } from './errors.ts';
import { guestArgv, type Machine } from './guest/machine.ts';
import { type GuestOrigin, type Guests, type Lodging, retell } from './guests.ts';
import { Collector, logFiles } from './results/evidence.ts';
import { type Evidence, isBad, judge } from './results/judge.ts';
import type { TestResult } from './results/schema.ts';
import type { Context } from './util/context.ts';
import { quote } from './util/quote.ts';

export type TrialRequest = {
  job: string;
  suite: string;
  /** Its name in the results; its file in the image is `program`. */
  test: string;
  program: string;
  /** Of the program, without argv[0]. */
  args: string[];
  machine: Machine;
  origin: GuestOrigin;
  /** Seconds of guest time. */
  limit: number;
  /** The run's directory, and this guest's directory in it. Both absolute. */
  runDir: string;
  guestDir: string;
  reproduce: string;
};

/** Milliseconds of host time. */
const deadlines = { grace: 30_000, fetch: 30_000, powerOff: 30_000 };
/** Bytes of files that a test may leave. */
const artifactLimit = 64 * 1024 * 1024;

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
        ({ result, kept } = await runTrial(request, kept, isLast, guests));
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

/** A guest between two tests, and what it says meanwhile. */
type Kept = { lodging: Lodging; between: HeldBack };

/** The guest is given back if it can run another test. */
async function runTrial(
  request: TrialRequest,
  before: Kept | null,
  isLast: boolean,
  guests: Guests,
): Promise<{ result: TestResult; kept: Kept | null }> {
  const { guestDir, machine, runDir } = request;
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
    const { origin, argv, bootMs, startMs } = lodging;
    const started = performance.now();
    // A fork is dropped: its machine's shutdown is the same for all of them, and isolation=boot sees it.
    const powerOff = isLast && origin === 'boot';
    const seen = lodging.session
      ? await converse(lodging.session, request, powerOff)
      : { ...nothingSeen, bootLoss: lodging.loss };
    const lost = lossOf(seen) !== null;
    if (lodging.guest && (lost || powerOff)) {
      // To its last word.
      lodging.guest.kill();
      await lodging.guest.exited;
    }
    const between = new HeldBack();
    lodging.session?.tell(between);
    const splats = collector.splats(seen.run, lost ? 'lost' : powerOff ? 'powered off' : 'dropped');
    const judgement = judge({ ...seen, ktap: collector.ktap(), splats, limit: request.limit });
    const result = {
      suite: request.suite,
      test: request.test,
      job: request.job,
      ...judgement,
      splats,
      duration_ms: seen.run?.end?.duration_ms ?? Math.round(performance.now() - started),
      boot_ms: bootMs,
      guest: describeGuest(request, argv, origin, before ? 0 : startMs),
      artifacts: seen.artifacts.map((file) => relative(runDir, join(guestDir, 'artifacts', file))),
      reproduce: isBad(judgement.verdict) ? request.reproduce : null,
    };
    if (!lost && !isLast) return { result, kept: { lodging, between } };
    lodging[Symbol.dispose]();
    return { result, kept: null };
  } catch (error) {
    lodging?.[Symbol.dispose]();
    throw error;
  } finally {
    await Promise.all([script, collector.close()]);
  }
}

type Seen = Omit<Evidence, 'ktap' | 'splats' | 'limit'> & { artifacts: string[] };

const nothingSeen: Seen = { bootLoss: null, run: null, artifacts: [], problems: [], staysOn: false };

function lossOf({ bootLoss, run }: Seen): Loss | null {
  return bootLoss ?? run?.loss ?? null;
}

async function converse(session: Session, request: TrialRequest, powerOff: boolean): Promise<Seen> {
  const seen: Seen = { ...nothingSeen, problems: [] };
  const { suite, args, limit, guestDir } = request;
  const program = {
    path: `/tests/${suite}/${request.program}`,
    args,
    cwd: `/tests/${suite}`,
    limitMs: limit * 1000,
  };
  seen.run = await session.run(program, deadlines.grace);
  if (seen.run.loss) return seen;
  if ((seen.run.end?.leftovers ?? 0) > 0)
    seen.problems.push(`${seen.run.end?.leftovers} processes outlived the test and were killed`);
  if ((seen.run.end?.artifacts ?? 0) > 0) {
    const into = join(guestDir, 'artifacts');
    const fetched = await session.fetch('/run/artifacts', into, artifactLimit, deadlines.fetch);
    seen.artifacts = fetched.files;
    if (fetched.problem) seen.problems.push(fetched.problem);
  }
  if (powerOff) seen.staysOn = !(await session.powerOff(deadlines.powerOff));
  return seen;
}

/** What boots this machine; QEMU looks for its sockets in the directory `sockets`. */
function bootScript(machine: Machine): string {
  return `#!/bin/sh\nexec ${guestArgv(machine, 'sockets').map(quote).join(' ')}\n`;
}

function describeGuest(
  { machine, runDir, guestDir }: TrialRequest,
  qemu: string[],
  origin: GuestOrigin,
  startMs: number,
): TestResult['guest'] {
  const path = (file: string) => relative(runDir, join(guestDir, file));
  return {
    qemu,
    origin,
    start_ms: Math.round(startMs * 10) / 10,
    console: path(logFiles.console),
    kmsg: path(logFiles.kmsg),
    output: path(logFiles.output),
    memory: machine.memory,
    cpus: machine.cpus,
    cmdline: machine.cmdline,
  };
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
