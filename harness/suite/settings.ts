// SPDX-License-Identifier: MIT
import { KilnError } from '../errors.ts';

/**
 * What shares a guest: `test`, nothing but a test program's own cases; `case`, nothing; `suite`, the suite's test
 * programs, one after another; `boot`, as `test`, but the guest is booted and not forked.
 */
export type Isolation = (typeof isolations)[number];
export const isolations = ['test', 'case', 'suite', 'boot'] as const;

/** What a suite's `settings` file asks for. Absent keys are undefined; defaults belong to the guest. */
export type Settings = {
  /** Seconds of guest time a test may take. kselftest's own key; its 0, no limit, is a day here. */
  timeout?: number;
  /** MiB of guest memory. */
  memory?: number;
  /** Virtual CPUs. */
  cpus?: number;
  /** Appended to the guest's kernel command line as it stands. */
  cmdline?: string;
  isolation?: Isolation;
};

/** Seconds. */
const day = 86_400;

/** Parse `key=value` lines as kselftest's runner reads them; `#` begins a comment line. `file` is for messages. */
export function parseSettings(text: string, file: string): Settings {
  const settings: Settings = {};
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const equals = line.indexOf('=');
    const where = `${file}:${index + 1}`;
    if (equals < 1) throw bad(where, `"${line}" is not key=value`);
    const key = line.slice(0, equals).trim();
    const value = line.slice(equals + 1).trim();
    if (key === 'timeout') settings.timeout = number(where, key, value, 0, day) || day;
    else if (key === 'memory') settings.memory = mebibytes(where, value);
    else if (key === 'cpus') settings.cpus = number(where, key, value, 1, 255);
    else if (key === 'cmdline') settings.cmdline = cmdline(where, value);
    else if (key === 'isolation') settings.isolation = isolation(where, value);
    else throw bad(where, `unknown key "${key}" (known: timeout, memory, cpus, cmdline, isolation)`);
  }
  return settings;
}

function isolation(where: string, value: string): Isolation {
  const known = isolations.find((name) => name === value);
  if (!known) throw bad(where, `isolation=${value} is none of ${isolations.join(', ')}`);
  return known;
}

function number(where: string, key: string, value: string, min: number, max: number): number {
  const parsed = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(parsed >= min && parsed <= max))
    throw bad(where, `${key}=${value} is not a whole number from ${min} to ${max}`);
  return parsed;
}

function mebibytes(where: string, value: string): number {
  const match = /^(\d+)([MG]?)$/i.exec(value);
  const size = match ? Number(match[1]) * (match[2]?.toUpperCase() === 'G' ? 1024 : 1) : 0;
  if (!(size >= 64 && size <= 1_048_576))
    throw bad(where, `memory=${value} is not a size from 64M to 1024G (M is the default unit)`);
  return size;
}

/** The kernel takes 2,048 bytes of command line on x86-64; half of it is ours to leave. */
function cmdline(where: string, value: string): string {
  if (Buffer.byteLength(value) > 1024) throw bad(where, 'cmdline= is longer than 1,024 bytes');
  return value;
}

function bad(where: string, problem: string): KilnError {
  return new KilnError('bad-input', `${where}: ${problem}`, {
    hint: 'docs/writing-a-test.md lists the keys',
  });
}
