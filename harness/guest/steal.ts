// SPDX-License-Identifier: MIT
// Steal time of a process: on a busy host its threads wait for a processor. The wait of the thread that waited longest
// counts against no deadline. Linux counts it for each thread (run_delay in /proc/PID/task/TID/schedstat). If the host is a
// virtual machine itself, its processors wait for those of its own host, which is in no thread's count (steal in
// /proc/stat).
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** Milliseconds between two samples. */
const interval = 500;
/**
 * Milliseconds over which each thread's waits are summed; the longest sum counts as steal. Linux counts a wait when it
 * is over: in shorter windows a different thread would seem to wait each time, and their waits would add up.
 */
const window = 5000;
/** Milliseconds between two samples beyond which the harness itself did not run: it was stopped or had no processor. */
const tooLate = 2000;

/** Host time, in milliseconds. */
export type Load = {
  elapsed: number;
  /** The process waited for a processor, or its processors waited for those of the host's own host. */
  steal: number;
  /** The process was stopped by a signal. This counts against deadlines: it may never continue. */
  stopped: number;
};

/** What is sampled of a process. */
export type Watched = {
  /** Milliseconds that each thread has waited for a processor since it started. */
  waits: () => Map<string, number>;
  /** Milliseconds that each processor of the host had none to run on, since the host started. */
  stolen: () => Map<string, number>;
  isStopped: () => boolean;
};

export type Clock = {
  /** Milliseconds since an arbitrary start. */
  own: () => number;
  /** Returns after that many milliseconds of host time, or when `over` is aborted. */
  sleep: (ms: number, over: AbortSignal) => Promise<void>;
};

async function sleep(ms: number, over: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal: over }).catch(() => {});
}

/** Host time, for callers that know no process to watch. */
export const wallClock: Clock = { own: () => performance.now(), sleep };

/** Counts the time in which the host lets a process run. Samples it until disposed. */
export class StealClock implements Clock, Disposable {
  readonly #watched: Watched;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  /** Each thread's wait at the start of the window, or of the thread. */
  #before: Map<string, number>;
  /** The same of each processor of the host. */
  #stolenBefore: Map<string, number>;
  /** The longest wait in this window so far, also of threads that have exited. */
  #longest = 0;
  /** Milliseconds of this window that have passed. */
  #passed = 0;
  #looked: number;
  /** Of earlier windows, and while the harness itself did not run. */
  #steal = 0;
  #elapsed = 0;
  #stopped = 0;

  /** @param now in milliseconds */
  constructor(watched: Watched, now: () => number = () => performance.now()) {
    this.#watched = watched;
    this.#now = now;
    this.#before = watched.waits();
    this.#stolenBefore = watched.stolen();
    this.#looked = now();
    this.#timer = setInterval(() => this.load(), interval);
    this.#timer.unref();
  }

  load(): Load {
    const now = this.#now();
    const passed = now - this.#looked;
    this.#looked = now;
    this.#elapsed += passed;
    if (this.#watched.isStopped()) this.#stopped += passed;
    const missed = Math.max(0, passed - tooLate);
    this.#steal += missed;
    this.#passed += passed - missed;
    const waits = this.#watched.waits();
    this.#longest = Math.max(this.#longest, longestWait(this.#before, waits));
    // A thread does not wait in Linux's sense while its processor has nothing to run on.
    const stolen = this.#watched.stolen();
    const lost = this.#longest + longestWait(this.#stolenBefore, stolen);
    const steal = this.#steal + Math.min(this.#passed, lost);
    if (this.#passed >= window) {
      this.#steal = steal;
      this.#before = waits;
      this.#stolenBefore = stolen;
      this.#longest = 0;
      this.#passed = 0;
    }
    return { elapsed: this.#elapsed, steal, stopped: this.#stopped };
  }

  /** Milliseconds that the process had so far: elapsed less steal. */
  own(): number {
    const { elapsed, steal } = this.load();
    return elapsed - steal;
  }

  async sleep(ms: number, over: AbortSignal): Promise<void> {
    await sleep(ms, over);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Of all that waited, by thread or processor, the longest since `before`. Who is new is added to `before`. */
function longestWait(before: Map<string, number>, waits: Map<string, number>): number {
  for (const [id, wait] of waits) if (!before.has(id)) before.set(id, wait);
  return Math.max(0, ...[...waits].map(([id, wait]) => wait - before.get(id)!));
}

/** A deadline in milliseconds: `left` on its own clock, and `most` of host time, however slow that clock runs. */
export type Countdown = { clock: Clock; left: () => number; most: number };

/** On a busy host a wait takes at most this many times as long as on an idle one. */
export const maxStretch = 10;

export function countdown(timeout: number, clock: Clock): Countdown {
  const end = clock.own() + timeout;
  return { clock, left: () => end - clock.own(), most: timeout * maxStretch };
}

/** Milliseconds between two checks of a countdown. */
const maxNap = 1000;

/** Returns when the time has run out, or `over` is aborted. */
export async function runOut({ clock, left, most }: Countdown, over: AbortSignal): Promise<void> {
  const began = performance.now();
  for (let rest = left(); rest > 0 && performance.now() - began < most; rest = left()) {
    await clock.sleep(Math.min(rest + 1, maxNap), over);
    if (over.aborted) return;
  }
}

/** Samples a process through /proc. */
export function processOf(pid: number): Watched {
  return { waits: () => threadWaits(pid), stolen: hostSteal, isStopped: () => /^[Tt]/.test(stateOf(pid)) };
}

function hostSteal(): Map<string, number> {
  try {
    return parseSteal(readFileSync('/proc/stat', 'utf8'));
  } catch {
    return new Map();
  }
}

/** Milliseconds by processor. @param stat /proc/stat, whose unit is 1/100 s on all of Linux's architectures that Node has */
export function parseSteal(stat: string): Map<string, number> {
  const lines = stat.matchAll(/^(cpu\d+)(?: \d+){7} (\d+)/gm);
  return new Map([...lines].map(([, cpu, ticks]) => [cpu!, Number(ticks) * 10]));
}

/** Empty once the process has exited. */
function threadWaits(pid: number): Map<string, number> {
  const tasks = `/proc/${pid}/task`;
  try {
    return new Map(readdirSync(tasks).map((id) => [id, readWait(`${tasks}/${id}/schedstat`)]));
  } catch {
    return new Map();
  }
}

/** schedstat: nanoseconds run, nanoseconds waited, time slices. Without CONFIG_SCHED_INFO the result is 0. */
function readWait(path: string): number {
  return Number(readFileSync(path, 'utf8').split(' ')[1] ?? 0) / 1e6;
}

/** The state letter of proc(5); empty once the process has exited. */
export function stateOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0] ?? '';
  } catch {
    return '';
  }
}

/** The share of the elapsed time in which a process could not run, from 0 to 1. */
export function missingShare({ elapsed, steal, stopped }: Load): number {
  return elapsed > 0 ? Math.min(1, (steal + stopped) / elapsed) : 0;
}

/** The difference of two samples. */
export function since(before: Load, after: Load): Load {
  return {
    elapsed: after.elapsed - before.elapsed,
    steal: after.steal - before.steal,
    stopped: after.stopped - before.stopped,
  };
}
