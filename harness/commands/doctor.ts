// SPDX-License-Identifier: MIT

import { mkdir, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { type Context, cacheDirectory, isPlainPath } from '../context.ts';
import { exits } from '../errors.ts';
import { chooseAccelerator } from '../guest/accelerator.ts';
import { findRequirements, optionalPrograms } from '../host/requirements.ts';
import { paths, self } from '../paths.ts';
import { chooseSandbox } from '../sandbox/sandbox.ts';
import { quote } from '../util/quote.ts';
import type { Cli } from './command.ts';

/** GiB in the cache. Measured: 4.0 with the default and a KASAN config; the rest is room to build. */
const neededDisk = 6;
/** GiB for sockets and, later, snapshots. */
const neededTmpfs = 1;

type Check = { name: string; ok: boolean; found: string; why: string };

export function registerDoctor({ program, run, signal }: Cli): void {
  program
    .command('doctor')
    .description('show what this machine has and lacks; exit code 0 if Kiln can run here')
    .option('--json', 'print JSON')
    .action(run((options: DoctorOptions) => doctorCommand(options, signal)));
}

type DoctorOptions = { json?: boolean };

/** `kiln doctor`: every requirement, found or missing. Exit 0 only when a run can work. */
async function doctorCommand(options: DoctorOptions, signal: AbortSignal): Promise<number> {
  const programs = await programChecks(signal);
  const checks = [
    ...programs,
    ...(await optionalChecks(signal)),
    ...(await placeChecks()),
    await sandboxCheck(signal),
    await acceleratorCheck(signal),
  ];
  const ok = checks.every((check) => check.ok);
  if (options.json) process.stdout.write(`${JSON.stringify({ ok, checks }, null, 2)}\n`);
  else for (const check of checks) process.stdout.write(`${line(check)}\n`);
  if (programs.some((check) => !check.ok) && !options.json)
    process.stdout.write(`\nto install missing programs, type: ${quote(self)} setup\n`);
  return ok ? exits.ok : exits.infrastructure;
}

function line({ name, ok, found, why }: Check): string {
  return `${ok ? 'ok     ' : 'MISSING'} ${name.padEnd(38)} ${found}${ok ? '' : ` (${why})`}`;
}

async function programChecks(signal: AbortSignal): Promise<Check[]> {
  const findings = await findRequirements(signal);
  const checks = findings.map(({ requirement: { name, why, package: from }, version }) => ({
    name,
    ok: version !== undefined,
    found: version ?? '-',
    why: `${why}; Debian: ${from}`,
  }));
  return [{ name: 'node', ok: true, found: process.version, why: '' }, ...checks];
}

/** Never fail. */
async function optionalChecks(signal: AbortSignal): Promise<Check[]> {
  const findings = await findRequirements(signal, optionalPrograms);
  return findings.map(({ requirement: { name, why, package: from }, version }) => ({
    name,
    ok: true,
    found: version ?? `none: ${why} (Debian: ${from})`,
    why: '',
  }));
}

async function placeChecks(): Promise<Check[]> {
  const cache = cacheDirectory();
  const isPlain = isPlainPath(cache);
  const found = isPlain ? cache : `${cache} has a character that make misreads`;
  const name = {
    name: 'cache directory',
    ok: isPlain,
    found,
    why: "kbuild can't work there: set XDG_CACHE_HOME",
  };
  if (!isPlain) return [name];
  return [
    name,
    await space('free disk for the cache', cache, neededDisk),
    await space('room in /dev/shm', '/dev/shm', neededTmpfs),
    await space('room for temporary files', tmpdir(), 0.1),
  ];
}

async function space(name: string, path: string, needed: number): Promise<Check> {
  try {
    await mkdir(path, { recursive: true });
    const { bavail, bsize } = await statfs(path);
    const free = (bavail * bsize) / 2 ** 30;
    return {
      name,
      ok: free >= needed,
      found: `${free.toFixed(1)} GiB in ${path}`,
      why: `${needed} GiB are needed`,
    };
  } catch (error) {
    return { name, ok: false, found: (error as Error).message, why: 'it must be writable' };
  }
}

/** Never fails: a run works without a sandbox, with a warning. */
async function sandboxCheck(signal: AbortSignal): Promise<Check> {
  const { flags, reason } = await chooseSandbox('auto', false, signal);
  const found = flags === null ? `NONE, builds can do what you can: ${reason}` : reason;
  return { name: 'sandbox', ok: true, found, why: '' };
}

async function acceleratorCheck(signal: AbortSignal): Promise<Check> {
  const context: Context = { cache: cacheDirectory(), signal, progress: () => {}, note: () => {} };
  try {
    const { name, reason } = await chooseAccelerator('auto', paths.images, context);
    return { name: 'accelerator', ok: true, found: `${name}: ${reason}`, why: '' };
  } catch (error) {
    return {
      name: 'accelerator',
      ok: false,
      found: (error as Error).message,
      why: 'QEMU and gcc are needed',
    };
  }
}
