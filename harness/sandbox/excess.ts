// SPDX-License-Identifier: MIT
// Stops a build that uses too much of what no resource limit counts: disk space and, as root, processes.
import { readdir, readFile, statfs } from 'node:fs/promises';
import { exec } from '../util/exec.ts';
import { plural } from '../util/plural.ts';

type Limits = { processes: number; disk: number };
/** `code`: whether the build or the machine is to blame. `text`: what was exceeded, as a clause. */
export type TooMuch = { code: 'does-not-build' | 'infrastructure'; text: string };
type Excess = Disposable & { signal: AbortSignal; found: () => TooMuch | null };

/** Milliseconds. */
const interval = 1000;
/** Bytes that must remain free on the file system. */
const reserve = 128 * 2 ** 20;

/** `signal` is aborted by `stop`, and when the size of `dirs` or the number of Kiln's processes exceeds the limits. */
export function excess(limits: Limits, dirs: string[], stop: AbortSignal): Excess {
  const end = new AbortController();
  let reason: TooMuch | null = null;
  let free: number | undefined;
  const look = async () => {
    try {
      const now = await smallestFree(dirs);
      free ??= now;
      reason = await whatIsTooMuch(limits, dirs, free - now, now);
    } catch {}
    if (reason !== null) end.abort();
    else if (!end.signal.aborted) timer = setTimeout(look, interval);
  };
  let timer = setTimeout(look, 0);
  const forward = () => end.abort(stop.reason);
  stop.addEventListener('abort', forward);
  if (stop.aborted) forward();
  return {
    signal: end.signal,
    found: () => reason,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      stop.removeEventListener('abort', forward);
      if (!end.signal.aborted) end.abort();
    },
  };
}

async function whatIsTooMuch(
  limits: Limits,
  dirs: string[],
  taken: number,
  free: number,
): Promise<TooMuch | null> {
  if ((await countProcesses()) >= limits.processes * 0.9)
    return { code: 'does-not-build', text: `it ran ${plural(limits.processes, 'process')} at once` };
  // `du` takes a second, so it runs only after free space has shrunk. That may also be others' doing.
  if (dirs.length > 0 && (taken > limits.disk / 2 || free < reserve)) {
    const used = await sizeOf(dirs);
    if (used > limits.disk)
      return { code: 'does-not-build', text: `it wrote more than ${Math.round(limits.disk / 2 ** 20)} MiB` };
    if (free < reserve) return { code: 'infrastructure', text: 'the disk is full' };
  }
  return null;
}

async function smallestFree(dirs: string[]): Promise<number> {
  const all = await Promise.all(dirs.map((dir) => statfs(dir)));
  return Math.min(...all.map(({ bavail, bsize }) => bavail * bsize));
}

async function sizeOf(dirs: string[]): Promise<number> {
  const { stdout } = await exec('du', ['-s', '--total', '--block-size=1', ...dirs], { okCodes: [0, 1] });
  return Number(stdout.split('\n').at(-1)?.split('\t')[0] ?? 0);
}

/** All descendants of this process. A sandbox reaps orphans, so they count, too. */
async function countProcesses(): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const parents = new Map<number, number>();
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
    parents.set(Number(pid), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0));
  }
  const ours = (pid: number | undefined): boolean => {
    for (let at = pid; at; at = parents.get(at)) if (at === process.pid) return true;
    return false;
  };
  return [...parents.keys()].filter(ours).length;
}
