// SPDX-License-Identifier: MIT
// One test on one kernel of its guest: run, fetch, judge. And on the next kernels, if it goes there.
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { create } from 'tar';
import { HeldBack, type Loss, nobody, type Session, type TestRun } from '../channel/session.ts';
import { explain } from '../channel/silence.ts';
import type { Hang } from '../guest/hang.ts';
import type { Machine } from '../guest/machine.ts';
import { since } from '../guest/steal.ts';
import { type GuestOrigin, type Lodging, deadlines as ofGuests } from '../pool/pool.ts';
import { Collector, logFiles } from '../results/collector.ts';
import { markExpected } from '../results/expected.ts';
import type { Passage } from '../results/generations.ts';
import { type Evidence, isBad, judge, nextGeneration } from '../results/judge.ts';
import { slowness, tempo } from '../results/timing.ts';
import type { GenerationResult, TestResult } from '../schema.ts';

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
  /**
   * If it goes through several kernels: how many, and what the guest boots for a generation from 1 on. `sentOnce`: the
   * test keeps what it was sent first, and needs nothing after it.
   */
  kexec?: { generations: number; next: (generation: number) => NextKernel; sentOnce?: boolean };
  /** The run's directory, and this guest's directory in it. Both absolute. */
  runDir: string;
  guestDir: string;
  reproduce: string;
};

/**
 * Milliseconds that the host leaves the guest (guest/steal.ts); on a slow one so many times more. `silence` is more than
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

/** A test in its guest. */
export type Trial = {
  request: TrialRequest;
  lodging: Lodging;
  /** The guest has run another test before. */
  isUsed: boolean;
  /** It is to be powered off after this one. */
  powerOff: boolean;
};

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
export type TrialPassage = Passage & { run: TestRun | null; between: HeldBack; isOver: boolean };

/** The test on one kernel of its guest. `dir`: for its logs. */
async function passOne(
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
  const problems = [...seen.problems, ...(lost ? collector.agentFailure() : [])];
  const ktap = collector.ktap();
  const judgement = judge({ ...seen, problems, ktap, splats, limit, generation, generations });
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

/** What came of a test on its first kernel, and on all that it goes on to. `collector`: of the first one's logs. */
export async function passAll(trial: Trial, collector: Collector): Promise<TrialPassage[]> {
  const { loss, release, bootMs } = trial.lodging;
  const start = { generation: 0, by: 'boot' as const, release, bootMs, blackoutMs: null, loss };
  const passages = [await passOne(trial, start, trial.request.guestDir, collector)];
  const goesOn = () => nextGeneration(passages.at(-1)!.run) === passages.length;
  while (passages.length < countGenerations(trial.request) && goesOn())
    passages.push(await passNext(trial, passages.at(-1)!, passages.length));
  return passages;
}

async function passNext(trial: Trial, before: TrialPassage, generation: number): Promise<TrialPassage> {
  const dir = join(trial.request.guestDir, `generation-${generation}`);
  await mkdir(dir, { recursive: true });
  const collector = new Collector(dir, true);
  try {
    return await passOne(trial, await follow(trial, before, generation, collector), dir, collector);
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
  // Of a guest that is gone, what it was lost by counts, and not that nobody answers there.
  if (!loss) await onReset('shutdown');
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
  if (kexec && generation + 1 < generations && !(kexec.sentOnce && generation > 0))
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
