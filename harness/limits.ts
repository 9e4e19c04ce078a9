// SPDX-License-Identifier: MIT
// How long Kiln waits for each thing. docs/verdicts.md has these limits under "Time"; limits.test.ts compares them.
// What a sandboxed program may use, time included, is in sandbox/sandbox.ts and docs/security.md.
import { KilnError } from './errors.ts';

/**
 * One wait, in milliseconds. `what`: its name in a table of docs/verdicts.md. `isScaled`: while a test runs, by how slow
 * its guest's boot was (results/timing.ts).
 */
type Limit = { what: string; ms: number; isScaled?: true };

/**
 * Waits for a guest count only the time in which the host runs QEMU (guest/steal.ts).
 */
const table = {
  /** For QEMU to connect to its sockets, and for its monitor to answer a command. */
  qemu: { what: 'QEMU', ms: 20_000 },
  /** Also after kexec. Generous, because a guest without KVM is slow. */
  boot: { what: 'the first message', ms: 120_000 },
  setup: { what: '`setup`', ms: 20_000 },
  /** To a request outside a test: `ping`, `shell`, `window`. */
  answer: { what: '`ping`', ms: 20_000 },
  begin: { what: 'the start of a test', ms: 30_000, isScaled: true },
  /** For a test whose settings have no limit. kselftest's own default is 45 s, on real machines. */
  test: { what: 'a test', ms: 60_000, isScaled: true },
  /** Longer than the kernel's watchdogs need: 20 s for a soft lockup, 21 s for an RCU stall. */
  silence: { what: 'a sign of life', ms: 30_000, isScaled: true },
  grace: { what: 'after Kiln has ended it', ms: 30_000, isScaled: true },
  delivery: { what: 'the last output of a test', ms: 15_000 },
  fetch: { what: 'the files of a test', ms: 30_000, isScaled: true },
  send: { what: 'the transfer of files for kexec', ms: 60_000 },
  powerOff: { what: 'power-off', ms: 30_000, isScaled: true },
  /** For all questions to a hung guest together. */
  hang: { what: 'all answers of a hung guest', ms: 150_000 },
  firstOutput: { what: 'the first output after a SysRq key', ms: 5000 },
  nextOutput: { what: 'its next output', ms: 1500 },
  sysrq: { what: 'the end of its output', ms: 30_000 },
  /** For a program outside the guest to print something, and to end. */
  program: { what: 'output of a program', ms: 30 * 60_000 },
  /** apt-get prints nothing during a download of 140 MB; it has its own timeouts for a dead server. */
  download: { what: 'of a download', ms: 2 * 3600_000 },
  /** An archive that does not answer. */
  b4: { what: 'of b4', ms: 120_000 },
  /** A program that takes longer hangs, even on a slow machine. */
  programEnd: { what: 'the end of a program', ms: 6 * 3600_000 },
  /** Of a check of `kiln ci`. The first of them also makes the kernel's headers and tools: 35 s of processor time. */
  objects: { what: 'objects compiled elsewhere', ms: 20 * 60_000 },
  /** Measured: 190 ms under TCG on a loaded machine, over 2 s in a virtual machine that is emulated itself. */
  kvm: { what: 'the guest that proves KVM', ms: 20_000 },
  tsc: { what: 'the measurement of the clock', ms: 20_000 },
  /** For one file. */
  blame: { what: '`git blame`', ms: 30_000 },
  /** addr2line reads the debug information of the whole kernel first. */
  sourceLines: { what: 'addr2line', ms: 120_000 },
  /** For another run to write into the database. */
  testHistory: { what: 'the history of tests', ms: 2000 },
  /** For a look into the history of the base: it explains an error, and is not needed. */
  history: { what: 'the history of the base', ms: 20_000 },
} satisfies Record<string, Limit>;

export type LimitName = keyof typeof table;

/**
 * How many times as long each wait is, except those that are scaled by the guest's boot: KILN_PATIENCE, for a machine that
 * is always slow, such as an emulated one. Throws a usage error if it is no number from 1 to 100.
 */
export function readPatience(env: NodeJS.ProcessEnv = process.env): number {
  const text = env.KILN_PATIENCE || '1';
  const factor = Number(text);
  if (factor >= 1 && factor <= 100) return factor;
  throw new KilnError('usage', `KILN_PATIENCE=${text} is no number from 1 to 100`);
}

/** The waits by name, in milliseconds. */
export function scaleLimits(patience: number): Record<LimitName, number> {
  const all: [string, Limit][] = Object.entries(table);
  const entries = all.map(([name, { ms, isScaled }]) => [name, isScaled ? ms : ms * patience]);
  return Object.fromEntries(entries) as Record<LimitName, number>;
}

/** The waits of this process. A mistake in KILN_PATIENCE is cli.ts's to report. */
export const limits = scaleLimits(patienceOrOne());

function patienceOrOne(): number {
  try {
    return readPatience();
  } catch {
    return 1;
  }
}

/** The waits that docs/verdicts.md has. */
export const limitTable: readonly Limit[] = Object.values(table);
