// SPDX-License-Identifier: MIT
// One test in a guest: run, fetch, judge. And tests that share a guest, one after another.
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { create } from 'tar';
import { HeldBack, type Loss, nobody, type Session, type TestRun } from './channel/session.ts';
import { explain } from './channel/silence.ts';
import { asKilnError } from './errors.ts';
import type { Hang } from './guest/hang.ts';
import { guestArgv, type Machine } from './guest/machine.ts';
import { type Load, since } from './guest/pace.ts';
import { type GuestOrigin, type Guests, type Lodging, deadlines as ofGuests, retell } from './guests.ts';
import { Collector, logFiles } from './results/evidence.ts';
import { markExpected } from './results/expected.ts';
import { mergeGenerations, type Passage } from './results/generations.ts';
import { type Evidence, isBad, judge, nextGeneration } from './results/judge.ts';
import type { GenerationResult, TestResult } from './results/schema.ts';
import { describeLoad, mayBeHosts, slowness, tempo } from './results/tempo.ts';
import type { Context } from './util/context.ts';
import { quote } from './util/quote.ts';

/** Paths of a bzImage and an initramfs.cpio: their names are known in the guest. */
export type NextKernel = { kernel: string; initramfs: string };

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
  /** Seconds on each kernel, of a guest as quick as usual. */
  limit: number;
  /** Seconds that hold however slow the guest is, instead of that. */
  fixedLimit?: number;
  /** What the titles of splats look like that it is to provoke. */
  expectSplats: RegExp[];
  /** If it goes through several kernels: how many, and what the guest boots for a generation from 1 on. */
  kexec?: { generations: number; next: (generation: number) => NextKernel };
  /** The run's directory, and this guest's directory in it. Both absolute. */
  runDir: string;
  guestDir: string;
  reproduce: string;
};

/**
 * Milliseconds that the host leaves the guest (guest/pace.ts); on a slow one so many times more. `silence` is more than
 * the kernel's own watchdogs take to speak: 20 s for a soft lockup, 21 s for a stall of RCU.
 */
const deadlines = {
  begin: 30_000,
  silence: 30_000,
  grace: 30_000,
  fetch: 30_000,
  send: 60_000,
  powerOff: 30_000,
  ...ofGuests,
};
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

/** A test in its guest. */
type Trial = {
  request: TrialRequest;
  lodging: Lodging;
  /** The guest has run another test before. */
  isUsed: boolean;
  /** It is to be powered off after this one. */
  powerOff: boolean;
};

/** The guest is given back if it can run another test. */
async function runTrial(
  request: TrialRequest,
  before: Kept | null,
  isLast: boolean,
  guests: Guests,
): Promise<{ result: TestResult; kept: Kept | null }> {
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
    const { loss, release, bootMs } = lodging;
    const start = { generation: 0, by: 'boot' as const, release, bootMs, blackoutMs: null, loss };
    const passages = await passAll(trial, await pass(trial, start, guestDir, collector));
    const result = request.kexec ? mergeGenerations(passages) : passages[0]!.result;
    const { isOver, between } = passages.at(-1)!;
    if (isOver && !isLast) return { result, kept: { lodging, between } };
    lodging[Symbol.dispose]();
    return { result, kept: null };
  } catch (error) {
    lodging?.[Symbol.dispose]();
    throw error;
  } finally {
    await Promise.all([script, collector.close()]);
  }
}

/** How a test comes to a kernel. */
type Arrival = {
  generation: number;
  by: GenerationResult['by'];
  release: string | null;
  bootMs: number | null;
  blackoutMs: number | null;
  /** Why there is nobody to talk to. */
  loss: Loss | null;
};

/**
 * What came of a test on one kernel, and what the guest says since. `isOver`: the test is over there, and the guest
 * waits for another.
 */
type TrialPassage = Passage & { run: TestRun | null; between: HeldBack; isOver: boolean };

/** The test on one kernel of its guest. `dir`: for its logs. */
async function pass(
  trial: Trial,
  arrival: Arrival,
  dir: string,
  collector: Collector,
): Promise<TrialPassage> {
  const { request, lodging, powerOff } = trial;
  const { generation, by, release, bootMs, blackoutMs } = arrival;
  const started = performance.now();
  const before = lodging.guest?.pace.load() ?? lodging.load;
  const allowed = allow(request, lodging);
  const heard =
    lodging.session && !arrival.loss
      ? await converse(lodging.session, request, generation, dir, powerOff, allowed)
      : { ...nothingSeen, bootLoss: arrival.loss };
  const load = since(before, lodging.guest?.pace.load() ?? before);
  const { seen, hang } = await explainSilence(heard, trial, generation);
  if (hang) await writeFile(join(dir, logFiles.hang), hang.report);
  const lost = lossOf(seen) !== null;
  const leaves = nextGeneration(seen.run) !== null;
  const isPoweredOff = powerOff && !leaves;
  if (lodging.guest && (lost || isPoweredOff)) {
    // To its last word.
    lodging.guest.kill();
    await lodging.guest.exited;
  }
  const between = new HeldBack();
  lodging.session?.tell(between);
  const ending = lost ? 'lost' : isPoweredOff ? 'powered off' : 'dropped';
  const splats = markExpected(collector.splats(seen.run, ending), request.expectSplats);
  const generations = countGenerations(request);
  const limit = describeLimit(allowed);
  const judgement = judge({ ...seen, ktap: collector.ktap(), splats, limit, generation, generations });
  const pace = tempo(judgement.verdict, seen.run, lossOf(seen), allowed.limitMs, load);
  const result = {
    suite: request.suite,
    test: request.test,
    job: request.job,
    ...judgement,
    tempo: pace,
    time: {
      limit_ms: allowed.limitMs,
      scale: allowed.scale,
      elapsed_ms: Math.round(load.elapsed),
      lost_ms: Math.round(load.lost),
      stopped_ms: Math.round(load.stopped),
    },
    splats,
    duration_ms: seen.run?.end?.duration_ms ?? Math.round(performance.now() - started),
    boot_ms: bootMs,
    guest: describeGuest(trial, dir, hang !== null),
    artifacts: seen.artifacts.map((file) => relative(request.runDir, join(dir, 'artifacts', file))),
    reproduce: isBad(judgement.verdict) ? request.reproduce : null,
  };
  const isOver = !lost && !leaves;
  return { result, release, by, blackout_ms: blackoutMs, run: seen.run, between, isOver };
}

/** What a test is given. */
type Allowed = { limitMs: number; scale: number };

function allow({ limit, fixedLimit }: TrialRequest, { bootMs, load }: Lodging): Allowed {
  if (fixedLimit !== undefined) return { limitMs: fixedLimit * 1000, scale: 1 };
  const scale = bootMs === null ? 1 : slowness(bootMs, load);
  return { limitMs: limit * 1000 * scale, scale };
}

/** `60 s`, `150 s (60 s, and 2.5 times as much in a guest as slow as this)` */
function describeLimit({ limitMs, scale }: Allowed): string {
  const seconds = (ms: number) => `${ms / 1000} s`;
  if (scale === 1) return seconds(limitMs);
  return `${seconds(limitMs)} (${seconds(limitMs / scale)}, and ${scale} times as much in a guest as slow as this)`;
}

/** A guest that fell silent is asked what it does; one that did so at its boot has been. */
async function explainSilence(
  heard: Seen,
  { lodging, request }: Trial,
  generation: number,
): Promise<{ seen: Seen; hang: Hang | null }> {
  const kernel = generation === 0 ? request.machine.kernel : request.kexec!.next(generation).kernel;
  const { guest, session } = lodging;
  const loss = lossOf(heard);
  const { hang, loss: why } =
    loss && guest ? await explain(loss, guest, session, dirname(kernel)) : { hang: lodging.hang, loss };
  const problems = [...heard.problems, ...(hang?.processors ?? []).map((text) => `it hung: ${text}`)];
  const { run, bootLoss } = heard;
  return { seen: { ...heard, problems, bootLoss: bootLoss && why, run: run && { ...run, loss: why } }, hang };
}

/** What came of a test on its first kernel, and on all that it goes on to. */
async function passAll(trial: Trial, first: TrialPassage): Promise<TrialPassage[]> {
  const passages = [first];
  for (let generation = 1; generation < countGenerations(trial.request); generation++)
    if (nextGeneration(passages.at(-1)!.run) === generation)
      passages.push(await passNext(trial, passages.at(-1)!, generation));
  return passages;
}

async function passNext(trial: Trial, before: TrialPassage, generation: number): Promise<TrialPassage> {
  const dir = join(trial.request.guestDir, `generation-${generation}`);
  await mkdir(dir, { recursive: true });
  const collector = new Collector(dir, true);
  try {
    return await pass(trial, await follow(trial, before, generation, collector), dir, collector);
  } finally {
    await collector.close();
  }
}

/** Go with the guest to its next kernel. */
async function follow(
  { lodging }: Trial,
  { run, between }: TrialPassage,
  generation: number,
  collector: Collector,
): Promise<Arrival> {
  const { guest, session } = lodging;
  if (!guest) throw new Error('a guest that was lost goes nowhere');
  const next = run?.next ?? null;
  const by = next ? 'panic' : run?.end?.how === 'reboot' ? 'reboot' : 'kexec';
  // Processes that were left behind may print to the end; that is no part of the next kernel's test.
  const logs = { ...collector, output: nobody.output };
  between.release(logs);
  session.tell(logs);
  const onReset = (reboot: string) => by === 'reboot' && guest.qmp.execute('set-action', { reboot });
  await onReset('reset');
  const ordered = performance.now();
  const { message, loss } = await session.follow(next, deadlines.boot);
  const blackoutMs = next || !message ? null : Math.round(performance.now() - ordered);
  await onReset('shutdown');
  session.tell(collector);
  const setup = loss ? null : await session.setup(deadlines.setup);
  const { release = null, boot_ms: bootMs = null } = message ?? {};
  return { generation, by, release, bootMs, blackoutMs, loss: loss ?? setup?.loss ?? null };
}

function countGenerations({ kexec }: TrialRequest): number {
  return kexec?.generations ?? 1;
}

type Seen = Omit<Evidence, 'ktap' | 'splats' | 'limit' | 'generation' | 'generations'> & {
  artifacts: string[];
};

const nothingSeen: Seen = { bootLoss: null, run: null, artifacts: [], problems: [], staysOn: false };

function lossOf({ bootLoss, run }: Seen): Loss | null {
  return bootLoss ?? run?.loss ?? null;
}

async function converse(
  session: Session,
  request: TrialRequest,
  generation: number,
  dir: string,
  powerOff: boolean,
  { limitMs, scale }: Allowed,
): Promise<Seen> {
  const seen: Seen = { ...nothingSeen, problems: [] };
  const { suite, args, kexec } = request;
  const generations = countGenerations(request);
  const program = {
    path: `/tests/${suite}/${request.program}`,
    args,
    cwd: `/tests/${suite}`,
    generation,
    generations,
  };
  if (kexec && generation + 1 < generations)
    seen.problems.push(...(await sendKernel(session, kexec.next(generation + 1))));
  seen.run = await session.run(program, {
    limitMs,
    beginMs: deadlines.begin * scale,
    graceMs: deadlines.grace * scale,
    // From a panic to the next kernel's first word the guest says nothing.
    silenceMs: (generation + 1 < generations ? deadlines.boot : deadlines.silence) * scale,
  });
  if (seen.run.loss || seen.run.next) return seen;
  if ((seen.run.end?.leftovers ?? 0) > 0)
    seen.problems.push(`${seen.run.end?.leftovers} processes outlived the test and were killed`);
  if ((seen.run.end?.artifacts ?? 0) > 0) {
    const fetched = await session.fetch(
      '/run/artifacts',
      join(dir, 'artifacts'),
      artifactLimit,
      deadlines.fetch * scale,
    );
    seen.artifacts = fetched.files;
    if (fetched.problem) seen.problems.push(fetched.problem);
  }
  if (powerOff && nextGeneration(seen.run) === null)
    seen.staysOn = !(await session.powerOff(deadlines.powerOff * scale));
  return seen;
}

/** Put what boots next where images/runtime/kexec.c looks for it. Returns what went wrong. */
async function sendKernel(session: Session, files: NextKernel): Promise<string[]> {
  for (const path of [files.kernel, files.initramfs]) {
    const archive = await buffer(create({ cwd: dirname(path), portable: true }, [basename(path)]));
    const problem = await session.send(archive, '/run/next', deadlines.send);
    if (problem) return [`the next kernel could not be sent: ${problem}`];
  }
  return [];
}

/** What boots this machine; QEMU looks for its sockets in the directory `sockets`. */
function bootScript(machine: Machine): string {
  return `#!/bin/sh\nexec ${guestArgv(machine, 'sockets').map(quote).join(' ')}\n`;
}

function describeGuest({ request, lodging, isUsed }: Trial, dir: string, hung: boolean): TestResult['guest'] {
  const { machine, runDir } = request;
  const path = (file: string) => relative(runDir, join(dir, file));
  return {
    qemu: lodging.argv,
    origin: lodging.origin,
    start_ms: isUsed ? 0 : Math.round(lodging.startMs * 10) / 10,
    console: path(logFiles.console),
    kmsg: path(logFiles.kmsg),
    output: path(logFiles.output),
    ...(hung ? { hang: path(logFiles.hang) } : {}),
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
