// SPDX-License-Identifier: MIT
import { KilnError } from '../errors.ts';
import * as arch from '../guest/arch/x86_64.ts';

/**
 * What shares a guest: `test`, nothing but a test program's own cases; `case`, nothing; `suite`, the suite's test
 * programs, one after another; `boot`, as `test`, but the guest is booted and not forked.
 */
export type Isolation = (typeof isolations)[number];
export const isolations = ['test', 'case', 'suite', 'boot'] as const;

/** The contents of a `settings` file. Absent keys are undefined; guest/ has the defaults. */
export type Settings = {
  /** Seconds of guest time that a test may take. A key of kselftest, where 0 means no limit; here that is a day. */
  timeout?: number;
  /** MiB of guest memory. */
  memory?: number;
  /** Virtual CPUs. */
  cpus?: number;
  /** Appended verbatim to the guest's kernel command line. */
  cmdline?: string;
  isolation?: Isolation;
  /** Features of the processor that the test needs, all of them; each may be one of several, as in `svm|vmx`. */
  needs_cpu?: string[];
  kernel?: KernelFile;
  /** The number of kernels in the test: the one that is booted, and those that follow by kexec. */
  generations?: number;
  /** Match the titles of splats that the test provokes. These are no failures; a missing one is. */
  expect_splat?: RegExp[];
};

/**
 * The file that QEMU boots. vmlinux starts at its PVH entry. bzImage decompresses itself first, and enables five-level
 * page tables if the CPU has them.
 */
export type KernelFile = (typeof kernelFiles)[number];
const kernelFiles = [arch.bootFile, arch.image] as const;

/** `settings`: the keys before the first `[section]`. */
export type SettingsFile = { settings: Settings; sections: { name: string; settings: Settings }[] };

/** Seconds. */
const day = 86_400;

type Values = Required<Settings>;

/** @param before the key's value so far, for a key that may be repeated */
const readers: {
  [K in keyof Values]: (where: string, value: string, before: Values[K] | undefined) => Values[K];
} = {
  timeout: (where, value) => number(where, 'timeout', value, 0, day) || day,
  memory: mebibytes,
  cpus: (where, value) => number(where, 'cpus', value, 1, 255),
  cmdline,
  isolation: (where, value) => oneOf(isolations, where, 'isolation', value),
  needs_cpu: (where, value, before = []) => [...before, feature(where, value)],
  kernel: (where, value) => oneOf(kernelFiles, where, 'kernel', value),
  generations: (where, value) => number(where, 'generations', value, 1, 10_000),
  expect_splat: (where, value, before = []) => [...before, pattern(where, 'expect_splat', value)],
};

/** Parse `key=value` lines as kselftest's runner does. `#` begins a comment line. @param file for messages */
export function parseSettings(text: string, file: string): Settings {
  const { settings, sections } = parseSettingsFile(text, file);
  if (sections.length === 0) return settings;
  throw bad(file, `[${sections[0]!.name}]: sections are for a test's own settings (<test>.settings)`);
}

/** The same, with `[section]` headers. A section has only its own keys, not the common ones. */
export function parseSettingsFile(text: string, file: string): SettingsFile {
  const settings: Settings = {};
  const sections: SettingsFile['sections'] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    const where = `${file}:${index + 1}`;
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('[')) sections.push({ name: sectionName(where, line, sections), settings: {} });
    else addLine(where, line, sections.at(-1)?.settings ?? settings);
  }
  return { settings, sections };
}

function addLine(where: string, line: string, settings: Settings): void {
  const equals = line.indexOf('=');
  if (equals < 1) throw bad(where, `"${line}" is not key=value`);
  const key = line.slice(0, equals).trim();
  const value = line.slice(equals + 1).trim();
  if (!Object.hasOwn(readers, key))
    throw bad(where, `unknown key "${key}" (known: ${Object.keys(readers).join(', ')})`);
  addValue(where, key as keyof Settings, value, settings);
}

function addValue<K extends keyof Values>(
  where: string,
  key: K,
  value: string,
  settings: Partial<Values>,
): void {
  settings[key] = readers[key](where, value, settings[key]);
}

function sectionName(where: string, line: string, before: SettingsFile['sections']): string {
  const name = /^\[([A-Za-z0-9._+-]{1,64})\]$/.exec(line)?.[1];
  if (!name) throw bad(where, `"${line}" is not [name], made of letters, digits and . _ + -`);
  if (before.some((section) => section.name === name)) throw bad(where, `there is a [${name}] already`);
  return name;
}

function oneOf<T extends string>(all: readonly T[], where: string, key: string, value: string): T {
  const known = all.find((name) => name === value);
  if (!known) throw bad(where, `${key}=${value} is none of ${all.join(', ')}`);
  return known;
}

function number(where: string, key: string, value: string, min: number, max: number): number {
  const parsed = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(parsed >= min && parsed <= max))
    throw bad(where, `${key}=${value} is not a whole number from ${min} to ${max}`);
  return parsed;
}

function feature(where: string, value: string): string {
  if (/^[a-z0-9_.-]+(\|[a-z0-9_.-]+)*$/.test(value)) return value;
  throw bad(where, `needs_cpu=${value} is no feature of a processor, nor several with | between them`);
}

function pattern(where: string, key: string, value: string): RegExp {
  if (value === '') throw bad(where, `${key}= is empty`);
  try {
    return new RegExp(value);
  } catch (cause) {
    throw bad(where, `${key}=${value} is no regular expression: ${(cause as Error).message}`);
  }
}

function mebibytes(where: string, value: string): number {
  const match = /^(\d+)([MG]?)$/i.exec(value);
  const size = match ? Number(match[1]) * (match[2]?.toUpperCase() === 'G' ? 1024 : 1) : 0;
  if (!(size >= 64 && size <= 1_048_576))
    throw bad(where, `memory=${value} is not a size from 64M to 1024G (M is the default unit)`);
  return size;
}

/** Half of the command line is for the arguments of Kiln and of the config fragments. */
function cmdline(where: string, value: string): string {
  const most = arch.commandLineSize / 2;
  if (Buffer.byteLength(value) > most)
    throw bad(where, `cmdline= is longer than ${most.toLocaleString('en')} bytes`);
  return value;
}

function bad(where: string, problem: string): KilnError {
  return new KilnError('bad-input', `${where}: ${problem}`, {
    hint: 'docs/writing-a-test.md lists the keys',
  });
}
