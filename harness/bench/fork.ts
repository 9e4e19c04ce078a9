// SPDX-License-Identifier: MIT
// Compares forks with boots: time to the first answer, time for a hundred tests, memory.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nobody, Session } from '../channel/session.ts';
import type { Context } from '../context.ts';
import type { TestRequest } from '../execution/request.ts';
import { runUnit } from '../execution/unit.ts';
import { type Guest, startGuest } from '../guest/guest.ts';
import { type Machine, machineFor } from '../guest/qemu.ts';
import { thaw } from '../guest/snapshot.ts';
import type { Built } from '../job/built.ts';
import { limits } from '../limits.ts';
import { paths } from '../paths.ts';
import { type GuestOrigin, Pool } from '../pool/pool.ts';
import { startFork, type Template } from '../pool/template.ts';
import { Templates } from '../pool/templates.ts';
import type { TestResult } from '../schema.ts';
import { type Figure, figure, ratio } from './statistics.ts';

/** A suite with one test that does nothing, which the image must hold. */
export const trivialSuite = join(paths.images, 'bench', 'trivial');
const trivial = { suite: 'trivial', test: 'trivial', program: 'trivial' };
/** MiB of the guests that are compared for their memory. */
const smallMemory = 256;

export type ForkBench = {
  /** From QEMU's start to the agent's answer to `setup`, of a guest that boots. */
  boot_ms: Figure;
  /**
   * From wanting a fork to the same answer, as a run has them: its QEMU was started ahead, while other tests ran, and
   * waits for its state.
   */
  fork_ms: Figure;
  /** boot_ms / fork_ms, of the medians. */
  ratio: number;
  /** From QEMU's start to the same answer of a fork for which nothing was started ahead. */
  cold_fork_ms: Figure;
  cold_ratio: number;
  /** Where cold_fork_ms goes: until QEMU waits for its state, until it has it, until the guest has answered. */
  stages_ms: { start: Figure; state: Figure; answer: Figure };
  hundred: HundredBench;
  memory: MemoryBench;
};

/**
 * A hundred trivial tests, each in a guest of its own, in seconds of host time. `guest_s`: what the tests themselves
 * took, all together, in guest time; `over_s`: what was on top, on `jobs` guests at once.
 */
export type HundredBench = {
  jobs: number;
  fork_s: number;
  guest_s: number;
  over_s: number;
  boot_s: number;
  ratio: number;
};

/** Proportional set sizes of QEMU (each shared page divided among its users), MiB, of idle guests of 256 MiB. */
export type MemoryBench = { one_booted: number; eight_forks: number; ratio: number };

export async function benchFork(built: Built, n: number, jobs: number, context: Context): Promise<ForkBench> {
  const machine = machineFor({}, built);
  await using templates = new Templates(limits.boot);
  const template = await needTemplate(templates, machine, context);
  const samples = { boot: [] as number[], cold: [] as number[], fork: [] as number[] };
  const stages = { start: [] as number[], state: [] as number[], answer: [] as number[] };
  for (let round = 0; round < n; round++) {
    context.progress('boots and forks in turn', round, n);
    samples.boot.push(await timeBoot(machine, context.signal));
    const { waiting, running, answer } = await timeFork(template, machine, context.signal);
    samples.cold.push(answer);
    stages.start.push(waiting);
    stages.state.push(running - waiting);
    stages.answer.push(answer - running);
    samples.fork.push(await timeAhead(template, machine, context.signal));
  }
  const [bootMs, coldForkMs] = [figure(samples.boot), figure(samples.cold)];
  const forkMs = figure(samples.fork);
  return {
    boot_ms: bootMs,
    fork_ms: forkMs,
    ratio: ratio(bootMs.median, forkMs.median),
    cold_fork_ms: coldForkMs,
    cold_ratio: ratio(bootMs.median, coldForkMs.median),
    stages_ms: {
      start: figure(stages.start),
      state: figure(stages.state),
      answer: figure(stages.answer),
    },
    hundred: await benchHundred(machine, jobs, context),
    memory: await benchMemory(templates, machineFor({ memory: smallMemory }, built), context),
  };
}

/** `failures`: forks that did not answer. `reasons`: of the first ten. */
export type RestoreBench = {
  forks: number;
  failures: number;
  reasons: string[];
  cold_fork_ms: Figure | null;
};

/** Fork `n` times, `jobs` at once, and count what goes wrong. */
export async function benchRestore(
  built: Built,
  n: number,
  jobs: number,
  context: Context,
): Promise<RestoreBench> {
  const machine = machineFor({}, built);
  await using templates = new Templates(limits.boot);
  const template = await needTemplate(templates, machine, context);
  const samples: number[] = [];
  const reasons: string[] = [];
  let next = 0;
  const worker = async () => {
    while (next++ < n)
      try {
        samples.push((await timeFork(template, machine, context.signal)).answer);
        context.progress('forks', samples.length, n);
      } catch (error) {
        context.signal.throwIfAborted();
        reasons.push((error as Error).message);
      }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  const coldForkMs = samples.length > 0 ? figure(samples) : null;
  return { forks: n, failures: reasons.length, reasons: reasons.slice(0, 10), cold_fork_ms: coldForkMs };
}

async function needTemplate(templates: Templates, machine: Machine, context: Context): Promise<Template> {
  const template = await templates.get(machine, context);
  if (!template) throw new Error('the machine can not be frozen');
  return template;
}

async function timeBoot(machine: Machine, signal: AbortSignal): Promise<number> {
  const started = performance.now();
  await using guest = await startGuest(machine, signal);
  await hear(new Session(guest, nobody), true);
  return performance.now() - started;
}

/** Milliseconds of host time since the start of QEMU, when it waits for its state, has it, and the guest answers. */
async function timeFork(
  template: Template,
  machine: Machine,
  signal: AbortSignal,
): Promise<{ waiting: number; running: number; answer: number }> {
  const started = performance.now();
  await using guest = await startFork(template, machine, signal);
  const waiting = performance.now() - started;
  const session = new Session(guest, nobody, template.marks);
  await thaw(guest);
  const running = performance.now() - started;
  await hear(session, false);
  return { waiting, running, answer: performance.now() - started };
}

async function timeAhead(template: Template, machine: Machine, signal: AbortSignal): Promise<number> {
  await using guest = await startFork(template, machine, signal);
  const started = performance.now();
  await wake(guest, template);
  return performance.now() - started;
}

async function wake(guest: Guest, template: Template): Promise<void> {
  const session = new Session(guest, nobody, template.marks);
  await thaw(guest);
  await hear(session, false);
}

/** Up to the answer to `setup`. */
async function hear(session: Session, boots: boolean): Promise<void> {
  const loss =
    (boots ? (await session.hello(limits.boot)).loss : null) ?? (await session.setup(limits.setup)).loss;
  if (loss) throw new Error(`the guest did not answer: ${loss.why}`);
}

async function benchHundred(machine: Machine, jobs: number, context: Context): Promise<HundredBench> {
  const forked = await timeHundred('fork', machine, jobs, context);
  const booted = await timeHundred('boot', machine, jobs, context);
  return {
    jobs,
    fork_s: round(forked.wall / 1000),
    guest_s: round(forked.guest / 1000),
    over_s: round((forked.wall - forked.guest / jobs) / 1000),
    boot_s: round(booted.wall / 1000),
    ratio: ratio(booted.wall, forked.wall),
  };
}

async function timeHundred(
  origin: GuestOrigin,
  machine: Machine,
  jobs: number,
  context: Context,
): Promise<{ wall: number; guest: number }> {
  const runDir = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  try {
    const requests = Array.from({ length: 100 }, (_, index): TestRequest => {
      const guestDir = join(runDir, String(index));
      const rest = { job: 'bench', args: [], expectSplats: [], collect: [], limit: 60, reproduce: '' };
      return { ...trivial, ...rest, machine, origin, runDir, guestDir };
    });
    let done = 0;
    const ended = () => context.progress(`a hundred tests, ${origin} each`, ++done, requests.length);
    const started = performance.now();
    let results: TestResult[];
    {
      await using pool = new Pool(jobs, Number.POSITIVE_INFINITY);
      const run = (request: TestRequest) =>
        runUnit({ isolation: 'test', requests: [request] }, { pool, context }, { ended });
      results = (await Promise.all(requests.map(run))).flat();
    }
    const wall = performance.now() - started;
    const bad = results.find(({ verdict, guest }) => verdict !== 'pass' || guest?.origin !== origin);
    if (bad) throw new Error(`a trivial test, ${origin} each: ${bad.verdict} ${bad.detail}`);
    return { wall, guest: results.reduce((sum, { duration_ms }) => sum + duration_ms, 0) };
  } finally {
    await rm(runDir, { recursive: true, force: true });
  }
}

async function benchMemory(templates: Templates, machine: Machine, context: Context): Promise<MemoryBench> {
  const template = await needTemplate(templates, machine, context);
  await using running = new AsyncDisposableStack();
  const booted = running.use(await startGuest(machine, context.signal));
  await hear(new Session(booted, nobody), true);
  const oneBooted = await residentMib(booted);
  const forks: Guest[] = [];
  for (let index = 0; index < 8; index++) {
    const fork = running.use(await startFork(template, machine, context.signal));
    await wake(fork, template);
    forks.push(fork);
  }
  const each = await Promise.all(forks.map(residentMib));
  const eightForks = round(each.reduce((sum, mib) => sum + mib, 0));
  return { one_booted: oneBooted, eight_forks: eightForks, ratio: ratio(eightForks, oneBooted) };
}

async function residentMib({ pid }: Guest): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  return round(Number(/^Pss: +(\d+) kB/m.exec(text)![1]) / 1024);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
