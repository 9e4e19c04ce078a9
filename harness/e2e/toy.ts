// SPDX-License-Identifier: MIT
// A source that looks like a kernel's to Kiln and is built in a second, in a cache of its own that may be damaged.
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { paths } from '../paths.ts';
import type { Child } from '../util/exec.ts';
import { git } from '../util/git.ts';
import { type Called, kiln, start } from './kiln.ts';

export type Toy = {
  /** A scratch directory that goes with the test. */
  dir: string;
  /** Of XDG_CACHE_HOME; Kiln's is `cache/kiln`. */
  cache: string;
  /** The source, a git repository. */
  source: string;
  /** Change files of the source in one commit; the option that names it as a series. */
  series: (changes: Record<string, string | ((old: string) => string)>) => Promise<string[]>;
  /** `kiln build` of the source, with options on top. */
  build: (options?: string[], env?: Record<string, string>) => Promise<Called>;
  start: (options?: string[], env?: Record<string, string>) => Child;
};

export async function toy(t: ExecutionContext): Promise<Toy> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-toy-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [source, cache, suite] = [join(dir, 'source'), join(dir, 'cache'), join(dir, 'trivial')];
  await cp(join(paths.root, 'harness', 'fixtures', 'toy'), source, { recursive: true });
  await cp(join(paths.root, 'harness', 'fixtures', 'trivial'), suite, { recursive: true });
  await mkdir(join(dir, 'tmp'));
  await git(source, ['init', '--quiet', '--initial-branch=main']);
  await commit(source);
  await git(source, ['tag', 'base']);
  const words = ['build', '--base', `git:${source}#base`, '--tests', suite, '--accel', 'tcg'];
  const all = (options: string[]) => [
    ...words,
    ...(options.includes('--series') ? [] : ['--no-series']),
    ...options,
  ];
  const environment = { XDG_CACHE_HOME: cache, TMPDIR: join(dir, 'tmp') };
  return {
    dir,
    cache,
    source,
    series: (changes) => series(source, changes),
    build: (options = [], env = {}) => kiln(all(options), { cwd: dir, env: { ...environment, ...env } }),
    start: (options = [], env = {}) => start(all(options), { cwd: dir, env: { ...environment, ...env } }),
  };
}

async function series(source: string, changes: Parameters<Toy['series']>[0]): Promise<string[]> {
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
