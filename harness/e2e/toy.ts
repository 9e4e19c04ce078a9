// SPDX-License-Identifier: MIT
// A toy source tree that Kiln builds like a kernel, in a second, with its own cache, which a test may damage.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { paths } from '../paths.ts';
import { type Child, exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import { type Called, kiln, start } from './kiln.ts';

type Changes = Record<string, string | ((old: string) => string)>;

export type Toy = {
  /** A scratch directory, removed with the test. */
  dir: string;
  /** The value of XDG_CACHE_HOME; Kiln uses `cache/kiln`. */
  cache: string;
  /** The source, a git repository; the base is its tag `base`. */
  source: string;
  /** Change files of the source in one commit. Returns the options that select this commit as a series. */
  series: (changes: Changes) => Promise<string[]>;
  /** `kiln build` of the source, with more options. CCACHE_TOY_SLEEP=TARGET in `env` makes that make target sleep. */
  build: (options?: string[], env?: Record<string, string>) => Promise<Called>;
  /** `kiln test`. Its guests do not boot. */
  test: (options?: string[], env?: Record<string, string>) => Promise<Called>;
  start: (options?: string[], env?: Record<string, string>) => Child;
  /** What Kiln has left behind after its end: processes, worktrees and scratch files, as text. */
  left: () => Promise<string[]>;
};

export async function toy(t: ExecutionContext): Promise<Toy> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-toy-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [source, cache, suite] = [join(dir, 'source'), join(dir, 'cache'), join(dir, 'trivial')];
  await cp(join(paths.root, 'harness', 'fixtures', 'toy'), source, { recursive: true });
  await cp(join(paths.images, 'bench', 'trivial'), suite, { recursive: true });
  await Promise.all([mkdir(join(dir, 'tmp')), mkdir(cache)]);
  await git(source, ['init', '--quiet', '--initial-branch=main']);
  await commit(source);
  await git(source, ['tag', 'base']);
  const all = (command: string, options: string[]) => [
    ...[command, '--accel', 'tcg'],
    ...(options.includes('--base') ? [] : ['--base', `git:${source}#base`]),
    ...(options.includes('--tests') ? [] : ['--tests', suite]),
    ...(options.includes('--series') ? [] : ['--no-series']),
    ...options,
  ];
  const call = (env: Record<string, string>) => ({
    cwd: dir,
    env: { XDG_CACHE_HOME: cache, TMPDIR: join(dir, 'tmp'), ...env },
  });
  return {
    dir,
    cache,
    source,
    series: (changes) => series(source, changes),
    build: (options = [], env = {}) => kiln(all('build', options), call(env)),
    test: (options = [], env = {}) => kiln(all('test', options), call(env)),
    start: (options = [], env = {}) => start(all('build', options), call(env)),
    left: () => left(dir),
  };
}

async function series(source: string, changes: Changes): Promise<string[]> {
  await git(source, ['checkout', '--quiet', '--detach', 'base']);
  for (const [file, change] of Object.entries(changes)) {
    const path = join(source, file);
    await mkdir(dirname(path), { recursive: true });
    const text =
      typeof change === 'string' ? change : change((await git(source, ['show', `base:${file}`])).stdout);
    await writeFile(path, `${text}\n`);
  }
  await commit(source);
  const name = (await git(source, ['rev-parse', 'HEAD'])).stdout;
  return ['--series', `git:${source}#base..${name}`];
}

async function commit(source: string): Promise<void> {
  await git(source, ['add', '--all']);
  await git(source, ['commit', '--quiet', '--message', 'a change']);
}

/** Processes that have the directory in their arguments or, inside a sandbox, only in their environment. */
export async function processesOf(dir: string): Promise<{ pid: number; command: string }[]> {
  const found: { pid: number; command: string }[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!pid || pid === process.pid) continue;
    const read = (file: string) => readFile(`/proc/${name}/${file}`, 'latin1').catch(() => '');
    const [command, environment] = await Promise.all([read('cmdline'), read('environ')]);
    if (command.includes(dir) || environment.includes(dir))
      found.push({ pid, command: command.replaceAll('\0', ' ').trim() });
  }
  return found;
}

/** Processes may take a moment to exit after Kiln has ended. */
async function left(dir: string): Promise<string[]> {
  const deadline = performance.now() + 10_000;
  while ((await processesOf(dir)).length > 0 && performance.now() < deadline) await setTimeout(100);
  const processes = (await processesOf(dir)).map(({ command }) => `process ${command}`);
  const cache = join(dir, 'cache', 'kiln');
  const scratch = await readdir(join(cache, 'scratch')).catch(() => []);
  const temporary = await readdir(join(dir, 'tmp'));
  const worktrees: string[] = [];
  for (const base of await readdir(join(cache, 'bases')).catch(() => []))
    for (const name of await readdir(join(cache, 'bases', base, 'repo.git', 'worktrees')).catch(() => []))
      if (name !== 'source') worktrees.push(`worktree ${name}`);
  return [...processes, ...scratch, ...temporary, ...worktrees];
}

/** Wait until a process of `dir` runs a command. Returns its pid. */
export async function running(dir: string, command: RegExp): Promise<number> {
  const deadline = performance.now() + 120_000;
  for (;;) {
    const found = (await processesOf(dir)).find((one) => command.test(one.command));
    if (found) return found.pid;
    if (performance.now() > deadline) throw new Error(`${command} never ran`);
    await setTimeout(50);
  }
}

/** Mount a small file system on `dir`. Returns false without permission to mount. */
export async function mountSmall(t: ExecutionContext, dir: string, size: string): Promise<boolean> {
  await mkdir(dir, { recursive: true });
  try {
    await exec('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir]);
  } catch {
    t.log('skipped: only root can mount a file system');
    t.pass();
    return false;
  }
  t.teardown(() => exec('umount', ['--lazy', dir]));
  return true;
}
