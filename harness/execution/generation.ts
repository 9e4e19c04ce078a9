// SPDX-License-Identifier: MIT
// One test on one kernel of its guest: run, fetch, judge. And on the next kernels, if it goes there.
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { create } from 'tar';
import { explain } from '../channel/explain.ts';
import { HeldBack, type Loss, nobody, type Session, type TestRun } from '../channel/session.ts';
import { scaledLimits } from '../channel/testLimit.ts';
import type { Hang } from '../guest/hang.ts';
import { since } from '../guest/steal.ts';
import { limits } from '../limits.ts';
import type { Lease } from '../pool/pool.ts';
import { Collector, logFiles } from '../results/collector.ts';
import { markExpected } from '../results/expected.ts';
import type { Generation } from '../results/generations.ts';
import { type Evidence, isBad, judge, nextGeneration } from '../results/judge.ts';
import { slowness, tempo } from '../results/timing.ts';
import type { GenerationResult, TestResult } from '../schema.ts';
import { plural } from '../util/plural.ts';
import { artifacts } from './collect.ts';
import { generationsOf, type NextKernel, placeOf, type TestRequest } from './request.ts';

/** A test in its guest. */
export type Attempt = {
  request: TestRequest;
  lease: Lease;
  /** The guest has run another test before. */
  isUsed: boolean;
  /** It is to be powered off after this one. */
  powerOff: boolean;
  /** Called when the test's processes are gone and only the kernel is still waited for. */
  onSettling: () => void;
};

/** How the guest reached a kernel. */
type Arrival = {
  generation: number;
  by: GenerationResult['by'];
  release: string | null;
  bootMs: number | null;
  blackoutMs: number | null;
  /** Why the agent of this kernel does not answer. */
  loss: Loss | null;
};

/**
 * What came of a test on one kernel, and what the guest says since. `isOver`: the test is over there, and the guest
 * waits for another.
 */
export type AttemptGeneration = Generation & { run: TestRun | null; between: HeldBack; isOver: boolean };

/** The test on one kernel of its guest. `dir`: for its logs. */
async function runGeneration(
  attempt: Attempt,
  arrival: Arrival,
  dir: string,
  collector: Collector,
): Promise<AttemptGeneration> {
  const { request, lease, powerOff } = attempt;
  const { generation, by, release, bootMs, blackoutMs } = arrival;
  const started = performance.now();
  const before = lease.guest?.clock.load() ?? lease.load;
  const allowed = allow(request, lease);
  const heard =
    lease.session && !arrival.loss
      ? await converse(lease.session, attempt, generation, dir, allowed)
      : { ...nothingSeen, bootLoss: arrival.loss };
  const load = since(before, lease.guest?.clock.load() ?? before);
  const { seen, hang } = await explainSilence(heard, attempt, generation);
  if (hang) await writeFile(join(dir, logFiles.hang), hang.report);
  const lost = lossOf(seen) !== null;
  const leaves = nextGeneration(seen.run) !== null;
  const isPoweredOff = powerOff && !leaves;
  if (lease.guest && (lost || isPoweredOff)) {
    // Its last output is evidence.
    lease.guest.kill();
    await lease.guest.exited;
  }
  const between = new HeldBack();
  lease.session?.tell(between);
  const ending = lost ? 'lost' : isPoweredOff ? 'powered off' : 'dropped';
  const splats = markExpected(collector.splats(seen.run, ending), request.expectSplats);
  const generations = generationsOf(request);
  const limit = describeLimit(allowed);
  const problems = [...seen.problems, ...(lost ? collector.agentFailure() : [])];
  const ktap = collector.ktap();
  const judgement = judge({ ...seen, problems, ktap, splats, limit, generation, generations });
  const timing = tempo(judgement.verdict, seen.run, lossOf(seen), allowed.limitMs, load);
  const result = {
    suite: request.suite,
    test: request.test,
    job: request.job,
    ...judgement,
    tempo: timing,
    time: {
      limit_ms: allowed.limitMs,
      scale: allowed.scale,
      elapsed_ms: Math.round(load.elapsed),
      lost_ms: Math.round(load.steal),
      stopped_ms: Math.round(load.stopped),
    },
    splats,
    duration_ms: seen.run?.end?.duration_ms ?? Math.round(performance.now() - started),
    boot_ms: bootMs,
    guest: describeGuest(attempt, dir, hang !== null),
    artifacts: seen.artifacts.map((file) => relative(request.runDir, join(dir, file))),
    reproduce: isBad(judgement.verdict) ? request.reproduce : null,
  };
  const isOver = !lost && !leaves;
  return { result, release, by, blackout_ms: blackoutMs, run: seen.run, between, isOver };
}

/** The limit of a test in its guest. `scale`: how many times the limit of its settings. */
type Allowed = { limitMs: number; scale: number };

function allow({ limit, fixedLimit }: TestRequest, { bootMs, load }: Lease): Allowed {
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

/** Examine a guest that fell silent. One that did so during its boot has been examined already. */
async function explainSilence(
  heard: Seen,
  { lease, request }: Attempt,
  generation: number,
): Promise<{ seen: Seen; hang: Hang | null }> {
  const kernel = generation === 0 ? request.machine.kernel : request.kexec!.next(generation).kernel;
  const { guest, session } = lease;
  const loss = lossOf(heard);
  const { hang, loss: why } =
    loss && guest ? await explain(loss, guest, session, dirname(kernel)) : { hang: lease.hang, loss };
  const problems = [...heard.problems, ...(hang?.processors ?? []).map((text) => `it hung: ${text}`)];
  const { run, bootLoss } = heard;
  return { seen: { ...heard, problems, bootLoss: bootLoss && why, run: run && { ...run, loss: why } }, hang };
}

/** Run a test on its first kernel and on the next ones. @param collector writes the logs of the first */
export async function runGenerations(attempt: Attempt, collector: Collector): Promise<AttemptGeneration[]> {
  const { loss, release, bootMs } = attempt.lease;
  const start = { generation: 0, by: 'boot' as const, release, bootMs, blackoutMs: null, loss };
  const generations = [await runGeneration(attempt, start, attempt.request.guestDir, collector)];
  const goesOn = () => nextGeneration(generations.at(-1)!.run) === generations.length;
  while (generations.length < generationsOf(attempt.request) && goesOn())
    generations.push(await runNextGeneration(attempt, generations.at(-1)!, generations.length));
  return generations;
}

async function runNextGeneration(
  attempt: Attempt,
  before: AttemptGeneration,
  generation: number,
): Promise<AttemptGeneration> {
  const dir = join(attempt.request.guestDir, `generation-${generation}`);
  await mkdir(dir, { recursive: true });
  const collector = new Collector(dir, true);
  try {
    return await runGeneration(attempt, await follow(attempt, before, generation, collector), dir, collector);
  } finally {
    await collector.close();
  }
}

/** Go with the guest to its next kernel. */
async function follow(
  { lease }: Attempt,
  { run, between }: AttemptGeneration,
  generation: number,
  collector: Collector,
): Promise<Arrival> {
  const { guest, session } = lease;
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
  const { message, loss } = await session.follow(next, limits.boot);
  const blackoutMs = next || !message ? null : Math.round(performance.now() - ordered);
  // If the guest is gone, the reason of its loss matters, not that QMP does not answer.
  if (!loss) await onReset('shutdown');
  session.tell(collector);
  const setup = loss ? null : await session.setup(limits.setup);
  const { release = null, boot_ms: bootMs = null } = message ?? {};
  return { generation, by, release, bootMs, blackoutMs, loss: loss ?? setup?.loss ?? null };
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
  { request, lease, powerOff, onSettling }: Attempt,
  generation: number,
  dir: string,
  { limitMs, scale }: Allowed,
): Promise<Seen> {
  const seen: Seen = { ...nothingSeen, artifacts: [], problems: [] };
  const { args, kexec } = request;
  const generations = generationsOf(request);
  if (kexec && generation + 1 < generations && generation < kexec.sent)
    seen.problems.push(...(await sendKernel(session, kexec.next(generation + 1))));
  const testLimits = scaledLimits(limitMs, scale);
  // From a panic to the next kernel's first word the guest says nothing.
  if (generation + 1 < generations) testLimits.silenceMs = limits.boot * scale;
  seen.run = lease.waits
    ? await session.proceed(args, testLimits, onSettling)
    : await session.run({ ...placeOf(request), args, generation, generations }, testLimits, onSettling);
  if (seen.run.end?.ready) request.onReady?.();
  if (seen.run.loss || seen.run.next) return seen;
  const leftovers = seen.run.end?.leftovers ?? 0;
  if (leftovers > 0)
    seen.problems.push(`the agent killed ${plural(leftovers, 'process')} that outlived the test`);
  if (seen.run.end?.settled === false && nextGeneration(seen.run) === null)
    seen.problems.push('RCU callbacks or queued work of the kernel did not come to an end after the test');
  for (const { dir: from, into, limit } of request.collect) {
    if (from === artifacts.dir && !seen.run.end?.artifacts) continue;
    const fetched = await session.fetch(from, join(dir, into), limit, limits.fetch * scale);
    seen.artifacts.push(...fetched.files.map((file) => join(into, file)));
    if (fetched.problem) seen.problems.push(fetched.problem);
  }
  if (powerOff && nextGeneration(seen.run) === null)
    seen.staysOn = !(await session.powerOff(limits.powerOff * scale));
  return seen;
}

/** Send the next kernel to the place where images/runtime/kexec.c looks for it. Returns problems. */
async function sendKernel(session: Session, files: NextKernel): Promise<string[]> {
  for (const path of [files.kernel, files.initramfs]) {
    const archive = await buffer(create({ cwd: dirname(path), portable: true }, [basename(path)]));
    const problem = await session.send(archive, '/run/next', limits.send);
    if (problem) return [`the next kernel could not be sent: ${problem}`];
  }
  return [];
}

function describeGuest({ request, lease, isUsed }: Attempt, dir: string, hung: boolean): TestResult['guest'] {
  const { machine, runDir } = request;
  const path = (file: string) => relative(runDir, join(dir, file));
  return {
    qemu: lease.argv,
    origin: lease.origin,
    start_ms: isUsed ? 0 : Math.round(lease.startMs * 10) / 10,
    console: path(logFiles.console),
    kmsg: path(logFiles.kmsg),
    output: path(logFiles.output),
    ...(hung ? { hang: path(logFiles.hang) } : {}),
    memory: machine.memory,
    cpus: machine.cpus,
    cmdline: machine.cmdline,
  };
}
