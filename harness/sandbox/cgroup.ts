// SPDX-License-Identifier: MIT
// RLIMIT_NPROC does not bind root, and no resource limit counts the memory of several processes: a cgroup does. Only
// root may make one; for others prlimit(1) has to do.
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isAlive } from '../util/scratch.ts';
import type { TooMuch } from './excess.ts';

type Group = Disposable & {
  /** The command, to be started in the group. */
  enter: (command: string[]) => string[];
  /** Which limit was hit, in a sentence. */
  exceeded: () => TooMuch | null;
};

let count = 0;
const mine = new Set<string>();
process.on('exit', () => {
  for (const dir of mine) remove(dir, 0);
});

/** A group with these limits, as far as this machine lets us have one. @param limits `memory` in bytes */
export function cgroup({ processes, memory }: { processes: number; memory: number }): Group {
  const name = `kiln-${process.pid}-${count++}`;
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
    // A file that can't be written to is no reason not to build: prlimit holds, too.
    enter: (command) =>
      dirs.size === 0
        ? command
        : ['sh', '-c', enterScript, ...['sh', String(dirs.size), ...dirs], ...command],
    exceeded: () => {
      const said = [...dirs].map(events).join('\n');
      const code = 'does-not-build';
      if (/^oom_kill [1-9]/m.test(said))
        return { code, text: `it took more than ${Math.round(memory / 2 ** 20)} MiB of memory` };
      if (/^max [1-9]/m.test(said)) return { code, text: `it ran ${processes} processes at once` };
      return null;
    },
    [Symbol.dispose]: () => void [...dirs].map(remove),
  };
}

const enterScript =
  'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ >"$1/cgroup.procs" 2>/dev/null; shift; n=$((n-1)); done; exec "$@"';

/**
 * Where groups can be made, by controller; '' stands for the unified hierarchy. There a group with processes has no
 * children with controllers, so ours stands beside our own.
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

/** What a killed run has left. */
function sweep(parent: string): void {
  for (const name of list(parent)) {
    const pid = Number(/^kiln-(\d+)-\d+$/.exec(name)?.[1] ?? 0);
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
  // memory.events has a max of its own: how often memory had to be taken back.
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

/** The kernel takes a moment to see the last process off. */
function remove(dir: string, attempts = 20): void {
  try {
    rmdirSync(dir);
    mine.delete(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EBUSY' && attempts > 0)
      setTimeout(() => remove(dir, attempts - 1), 100).unref();
  }
}
