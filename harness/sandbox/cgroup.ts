// SPDX-License-Identifier: MIT
// Limits the processes and the memory of a build by a cgroup: RLIMIT_NPROC does not apply to root, and no resource
// limit counts the memory of several processes. Only root can create a cgroup; other users have prlimit(1) alone.
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { plural } from '../util/plural.ts';
import { isAlive } from '../util/scratch.ts';
import type { TooMuch } from './excess.ts';

type Group = Disposable & {
  /** Wraps a command so that it starts in the group. */
  enter: (command: string[]) => string[];
  /** The limit that was hit, if any. */
  exceeded: () => TooMuch | null;
  /** Kill what runs in the group. Disposing does so too. */
  kill: () => void;
};

let count = 0;
const mine = new Set<string>();
process.on('exit', () => {
  for (const dir of mine) remove(dir, 0);
});

/** Create a group with these limits, or with those that this machine allows. @param limits `memory` in bytes */
export function cgroup({ processes, memory }: { processes: number; memory: number }): Group {
  const name = `kiln-${process.pid}-${threadId}-${count++}`;
  const wanted = [
    { controller: 'pids', files: { 'pids.max': processes } },
    { controller: 'memory', files: { 'memory.max': memory, 'memory.limit_in_bytes': memory } },
  ];
  const places = process.getuid?.() === 0 ? parents() : new Map<string, string>();
  const dirs = new Set<string>();
  for (const { controller, files } of wanted) {
    const parent = places.get(controller) ?? places.get('');
    if (parent === undefined) continue;
    sweep(parent);
    const dir = join(parent, name);
    if (Object.entries(files).some(([file, value]) => set(dir, file, value))) dirs.add(dir);
    else if (!dirs.has(dir)) remove(dir);
  }
  return {
    // If the group can't be entered, the build goes on: prlimit applies, too.
    enter: (command) =>
      dirs.size === 0
        ? command
        : ['sh', '-c', enterScript, ...['sh', String(dirs.size), ...dirs], ...command],
    exceeded: () => {
      const said = [...dirs].map(events).join('\n');
      const code = 'does-not-build';
      if (/^oom_kill [1-9]/m.test(said))
        return { code, text: `it took more than ${Math.round(memory / 2 ** 20)} MiB of memory` };
      if (/^max [1-9]/m.test(said)) return { code, text: `it ran ${plural(processes, 'process')} at once` };
      return null;
    },
    kill: () => {
      for (const dir of dirs) kill(dir);
    },
    [Symbol.dispose]: () => {
      for (const dir of dirs) remove(dir);
    },
  };
}

const enterScript =
  'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ 2>/dev/null >"$1/cgroup.procs"; shift; n=$((n-1)); done; exec "$@"';

/**
 * The directory in which to create a group, by controller; '' is the unified hierarchy. There a group that has
 * processes can't have children with controllers, so the new group becomes a sibling of Kiln's.
 */
function parents(): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of read('/proc/self/cgroup').split('\n')) {
    const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers.split(','))
      found.set(
        controller,
        controller === '' ? join('/sys/fs/cgroup', dirname(path)) : join('/sys/fs/cgroup', controller, path),
      );
  }
  return found;
}

function set(dir: string, file: string, value: number): boolean {
  try {
    mkdirSync(dir, { recursive: true });
    mine.add(dir);
    writeFileSync(join(dir, file), String(value), { flag: 'r+' });
    return true;
  } catch {
    return false;
  }
}

/** Remove groups of runs that were killed. */
function sweep(parent: string): void {
  for (const name of list(parent)) {
    const pid = Number(/^kiln-(\d+)-/.exec(name)?.[1] ?? 0);
    if (pid > 0 && !isAlive(pid)) remove(join(parent, name), 0);
  }
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function events(dir: string): string {
  // The `max` of memory.events counts reclaims and is no failure.
  const memory = read(join(dir, 'memory.events')) + read(join(dir, 'memory.oom_control'));
  return `${memory.replace(/^max .*/gm, '')}\n${read(join(dir, 'pids.events'))}`;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function kill(dir: string): void {
  for (const pid of read(join(dir, 'cgroup.procs')).split('\n').filter(Boolean).map(Number))
    try {
      // 0: a process of another PID namespace.
      if (pid > 0) process.kill(pid, 'SIGKILL');
    } catch {} // it has ended
}

/** The group is busy until the kernel has reaped its last process. */
function remove(dir: string, attempts = 20): void {
  kill(dir);
  try {
    rmdirSync(dir);
    mine.delete(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EBUSY' && attempts > 0)
      setTimeout(() => remove(dir, attempts - 1), 100).unref();
  }
}
