// SPDX-License-Identifier: MIT
// How much of the time that passes a process can use. On a busy host its threads stand in line for a processor: what
// the one that waited longest has lost counts against no deadline. Linux counts that wait (sched/stats: run_delay).
import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds between two looks. Within one of them the longest wait of any thread counts. */
const interval = 500;
/** Looks this many times later than that: we did not run ourselves, stopped or without a processor. */
const tooLate = 4;

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

/** Watches a process until it is disposed. */
export class Pace implements Disposable {
  readonly #watched: Watched;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #last: Map<string, number>;
  #looked: number;
  #elapsed = 0;
  #lost = 0;
  #stopped = 0;
  /** Lost, and told in a lump when the wait was over: more than passed since the last look. */
  #owed = 0;

  /** @param now in milliseconds */
  constructor(watched: Watched, now: () => number = () => performance.now()) {
    this.#watched = watched;
    this.#now = now;
    this.#last = watched.waits();
    this.#looked = now();
    this.#timer = setInterval(() => this.load(), interval);
    this.#timer.unref();
  }

  load(): Load {
    const now = this.#now();
    const passed = now - this.#looked;
    if (passed > 0) {
      this.#looked = now;
      const waited = this.#owed + this.#longestWait();
      const lost = Math.min(passed, waited);
      this.#owed = waited - lost;
      this.#elapsed += passed;
      this.#lost += Math.max(lost, passed - tooLate * interval);
      if (this.#watched.isStopped()) this.#stopped += passed;
    }
    return { elapsed: this.#elapsed, lost: this.#lost, stopped: this.#stopped };
  }

  /** Milliseconds that the process could use so far. */
  own(): number {
    const { elapsed, lost } = this.load();
    return elapsed - lost;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #longestWait(): number {
    const waits = this.#watched.waits();
    const longest = Math.max(0, ...[...waits].map(([id, wait]) => wait - (this.#last.get(id) ?? wait)));
    this.#last = waits;
    return longest;
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
