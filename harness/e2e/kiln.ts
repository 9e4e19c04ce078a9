// SPDX-License-Identifier: MIT
// Calls kiln as a user does and reads what it leaves.

import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { paths } from '../paths.ts';
import { type Results, readResults, type TestResult } from '../schema.ts';
import { type Child, spawn } from '../util/exec.ts';

export type Called = { exitCode: number; stdout: string; stderr: string };
export type Ran = Called & { dir: string; results: Results };

/** `under`: a command that runs kiln, as nice(1) does. */
type CallOptions = { cwd?: string; input?: string; env?: Record<string, string>; under?: string[] };

export const kilnPath = join(paths.root, 'bin', 'kiln');

/** Start kiln; the environment is the test run's own, so that all tests share its cache. */
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

/** `kiln test`, with its run directory in a temporary place that `use` may look at. */
export async function kilnTest<T>(
  args: string[],
  use: (ran: Ran) => Promise<T> | T,
  options: CallOptions = {},
): Promise<T> {
  const out = await mkdtemp(join(tmpdir(), 'kiln-e2e-'));
  try {
    const called = await kiln(['test', ...args, '--out', out], options);
    const dir = join(out, 'latest');
    const results = readResults(await readFile(join(dir, 'results.json'), 'utf8'));
    return await use({ ...called, dir, results });
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** Options for suites of the test's own beside the default ones, whose config they then share: no new kernel. */
export function besideDefaults(...suites: string[]): string[] {
  return [...defaultSuites(), ...suites].flatMap((dir) => ['--tests', dir]);
}

/** Their directories. */
export function defaultSuites(): string[] {
  const names = readdirSync(paths.guestTests).filter((name) => name !== 'include');
  return names.map((name) => join(paths.guestTests, name));
}

/** Options for all series of patches/, and so the kernel that is there already, for what comes on top of them. */
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
