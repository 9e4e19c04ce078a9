// SPDX-License-Identifier: MIT
// How much of the time that passes a process can use. On a busy host its threads stand in line for a processor: what
// the one that waited longest has lost counts against no deadline. Linux counts that wait (sched/stats: run_delay).
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** Milliseconds between two looks. */
const interval = 500;
/**
 * Milliseconds over which each thread's wait is summed; the longest of these sums is lost. A wait is told when it is over:
 * in shorter windows another thread would seem to be the one that waits each time.
 */
const window = 5000;
/** Milliseconds between two looks after which we did not run ourselves, stopped or without a processor. */
const tooLate = 2000;

/** Host time, in milliseconds. */
export type Load = {
  elapsed: number;
  /** The process had no processor though it wanted one. */
  lost: number;
  /** It was stopped by a signal. This counts against deadlines: it may never go on. */
  stopped: number;
};

/** What there is to know of a process. */
export type Watched = {
  /** Each thread's wait for a processor so far, in milliseconds. */
  waits: () => Map<string, number>;
  isStopped: () => boolean;
};

/** Milliseconds, from anywhere. */
export type Clock = { own: () => number };

/** The host's time, for who has no better. */
export const wallClock: Clock = { own: () => performance.now() };

/** Watches a process until it is disposed. */
export class Pace implements Clock, Disposable {
  readonly #watched: Watched;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  /** Each thread's wait when this window began, or the thread. */
  #before: Map<string, number>;
  /** The longest wait in this window so far: a thread that is gone by now had it all the same. */
  #longest = 0;
  /** What passed of this window. */
  #passed = 0;
  #looked: number;
  /** In the windows before, and while we did not run. */
  #lost = 0;
  #elapsed = 0;
  #stopped = 0;

  /** @param now in milliseconds */
  constructor(watched: Watched, now: () => number = () => performance.now()) {
    this.#watched = watched;
    this.#now = now;
    this.#before = watched.waits();
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
    this.#lost += missed;
    this.#passed += passed - missed;
    const waits = this.#watched.waits();
    this.#longest = Math.max(this.#longest, this.#longestWait(waits));
    const lost = this.#lost + Math.min(this.#passed, this.#longest);
    if (this.#passed >= window) {
      this.#lost = lost;
      this.#before = waits;
      this.#longest = 0;
      this.#passed = 0;
    }
    return { elapsed: this.#elapsed, lost, stopped: this.#stopped };
  }

  /** Milliseconds that the process could use so far. */
  own(): number {
    const { elapsed, lost } = this.load();
    return elapsed - lost;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #longestWait(waits: Map<string, number>): number {
    for (const [id, wait] of waits) if (!this.#before.has(id)) this.#before.set(id, wait);
    return Math.max(0, ...[...waits].map(([id, wait]) => wait - this.#before.get(id)!));
  }
}

/** How long something is waited for: what is left, and how much of the host's time may pass at most, in ms. */
export type Countdown = { left: () => number; most: number };

/** However busy the host, a wait takes no more than so many times what it would on an idle one. */
export const maxStretch = 10;

export function countdown(timeout: number, clock: Clock): Countdown {
  const end = clock.own() + timeout;
  return { left: () => end - clock.own(), most: timeout * maxStretch };
}

/** Milliseconds between two looks at what is left. */
const maxNap = 1000;

/** Returns when nothing is left, or the wait is over. */
export async function runOut({ left, most }: Countdown, over: AbortSignal): Promise<void> {
  const began = performance.now();
  for (let rest = left(); rest > 0 && performance.now() - began < most; rest = left()) {
    await setTimeout(Math.min(rest + 1, maxNap), undefined, { signal: over }).catch(() => {});
    if (over.aborted) return;
  }
}

/** A process of this machine. */
export function processOf(pid: number): Watched {
  return { waits: () => threadWaits(pid), isStopped: () => /^[Tt]/.test(stateOf(pid)) };
}

/** Empty once it is gone. */
function threadWaits(pid: number): Map<string, number> {
  const tasks = `/proc/${pid}/task`;
  try {
    return new Map(readdirSync(tasks).map((id) => [id, readWait(`${tasks}/${id}/schedstat`)]));
  } catch {
    return new Map();
  }
}

/** Nanoseconds on a processor, nanoseconds waiting for one, turns. 0: a kernel without CONFIG_SCHED_INFO. */
function readWait(path: string): number {
  return Number(readFileSync(path, 'utf8').split(' ')[1] ?? 0) / 1e6;
}

/** The letter of proc(5); empty once it is gone. */
export function stateOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0] ?? '';
  } catch {
    return '';
  }
}

/** The share of its time that the host kept from a process, from 0 to 1. */
export function missingShare({ elapsed, lost, stopped }: Load): number {
  return elapsed > 0 ? Math.min(1, (lost + stopped) / elapsed) : 0;
}

/** What passed between two looks. */
export function since(before: Load, after: Load): Load {
  return {
    elapsed: after.elapsed - before.elapsed,
    lost: after.lost - before.lost,
    stopped: after.stopped - before.stopped,
  };
}
