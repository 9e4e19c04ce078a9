// SPDX-License-Identifier: MIT
// Calls kiln as a user does and reads its results.

import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { cacheDirectory } from '../context.ts';
import { paths } from '../paths.ts';
import { type Results, readResults, type TestResult } from '../schema.ts';
import { type Child, spawn } from '../util/exec.ts';

export type Called = { exitCode: number; stdout: string; stderr: string };
export type Ran = Called & { dir: string; results: Results };

/** `under`: a command that runs kiln, as nice(1) does. */
type CallOptions = { cwd?: string; input?: string; env?: Record<string, string>; under?: string[] };

export const kilnPath = join(paths.root, 'bin', 'kiln');

/** Start kiln with the environment of the test run, so that all tests share one cache. */
export function start(args: string[], { under = [], ...options }: CallOptions = {}): Child {
  const [program, ...words] = [...under, kilnPath, ...args];
  return spawn(program!, words, {
    endSignal: 'KILL',
    ...(options.input ? {} : { stdin: 'ignore' }),
    ...options,
  });
}

export async function kiln(args: string[], options: CallOptions = {}): Promise<Called> {
  const result = await start(args, options);
  return { exitCode: result.exitCode ?? -1, stdout: String(result.stdout), stderr: String(result.stderr) };
}

/**
 * `kiln test`, or another command that leaves results, with a temporary run directory, which is removed after `use`, but
 * kept if that throws. `meanwhile` is called with that directory during the run.
 */
export async function kilnTest<T>(
  args: string[],
  use: (ran: Ran) => Promise<T> | T,
  {
    meanwhile,
    command,
    ...options
  }: CallOptions & { meanwhile?: (out: string) => Promise<unknown>; command?: string } = {},
): Promise<T> {
  const out = await mkdtemp(join(tmpdir(), 'kiln-e2e-'));
  let isDone = false;
  try {
    const [ran] = await Promise.all([runInto(out, args, options, command), meanwhile?.(out)]);
    const value = await use(ran);
    isDone = true;
    return value;
  } finally {
    await removeUnlessFailed(out, !isDone);
  }
}

/** The logs of guests show why a test failed. */
async function removeUnlessFailed(out: string, isFailed: boolean): Promise<void> {
  if (isFailed) console.error(`its run directory is kept: ${out}`);
  else await rm(out, { recursive: true, force: true });
}

/**
 * One `kiln test`, or another command that leaves results, which all tests of a file share. `ran` is set before they
 * begin; its run directory still exists.
 */
export function sharedRun(
  args: string[],
  options: CallOptions = {},
  command?: string,
): { readonly ran: Ran } {
  const shared = {} as { ran: Ran };
  let out: string;
  test.serial.before(async () => {
    out = await mkdtemp(join(tmpdir(), 'kiln-e2e-'));
    shared.ran = await runInto(out, args, options, command);
  });
  let isFailed = false;
  test.afterEach.always((t) => {
    if (!t.passed) isFailed = true;
  });
  test.after.always(() => removeUnlessFailed(out, isFailed));
  return shared;
}

async function runInto(out: string, args: string[], options: CallOptions, command = 'test'): Promise<Ran> {
  const called = await kiln([command, ...args, '--out', out], options);
  const dir = join(out, 'latest');
  const text = await readFile(join(dir, 'results.json'), 'utf8').catch((cause) => {
    throw new Error(`kiln left no results: ${called.stdout}\n${called.stderr}`, { cause });
  });
  return { ...called, dir, results: readResults(text) };
}

/** The splats that fail their tests; notices do not. An injected failure may leave a notice or not. */
export function failingSplats({ tests }: Results): TestResult['splats'] {
  return tests.flatMap(({ splats }) => splats).filter(({ expected, notice }) => !expected && !notice);
}

/** Wait until a test has printed something, which shows that it runs in a guest. */
export async function untilItPrints(out: string, name: string): Promise<void> {
  const deadline = performance.now() + 600_000;
  for (;;) {
    const files = await readdir(out, { recursive: true }).catch(() => []);
    const log = files.find((file) => file.endsWith(`/${name}/output.log`));
    if (log && (await stat(join(out, log))).size > 0) return;
    if (performance.now() > deadline) throw new Error(`${name} printed nothing`);
    await setTimeout(100);
  }
}

/** A cache that shares everything except templates with the default one. `home` is the value for XDG_CACHE_HOME. */
export async function cacheWithOwnTemplates(): Promise<
  AsyncDisposable & { home: string; templates: string }
> {
  const home = await mkdtemp(join(tmpdir(), 'kiln-cache-'));
  const [cache, common] = [join(home, 'kiln'), cacheDirectory()];
  await mkdir(cache);
  await symlink(`${common}.lock`, `${cache}.lock`);
  for (const name of await readdir(common))
    if (name !== 'templates') await symlink(join(common, name), join(cache, name));
  return {
    home,
    templates: join(cache, 'templates'),
    [Symbol.asyncDispose]: () => rm(home, { recursive: true }),
  };
}

/** Options that run the tests of these directories. The default suites still add to the config: no kernel is built. */
export function withTests(...dirs: string[]): string[] {
  return dirs.flatMap((dir) => ['--tests', dir]);
}

/** The directory of a default suite. */
export function ownSuite(name: string): string {
  return join(paths.guestTests, name);
}

/** Options that apply all series of patches/. A series on top then reuses the objects of the existing kernel. */
export function allSeries(): string[] {
  return readdirSync(paths.patches)
    .sort()
    .flatMap((name) => ['--series', name]);
}

/** `suite/test → verdict` of a run. */
export function verdicts(results: Results): Record<string, string> {
  return Object.fromEntries(results.tests.map(({ suite, test, verdict }) => [`${suite}/${test}`, verdict]));
}

export function find(results: Results, name: string): TestResult {
  const found = results.tests.find(({ suite, test }) => `${suite}/${test}` === name);
  if (!found) throw new Error(`no result of ${name}`);
  return found;
}
