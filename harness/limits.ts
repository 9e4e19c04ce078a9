// SPDX-License-Identifier: MIT
// How long everything is waited for. docs/verdicts.md shows this table under "Time"; limits.test.ts compares the two.

/** One wait: `what` as the table in docs/verdicts.md names it. `ms`: milliseconds. */
type Limit = { what: string; ms: number };

/**
 * Waits for a guest count only the time that the host leaves QEMU (guest/steal.ts). Those that a test's guest is given
 * while it runs are longer on a guest that is slow by itself (results/timing.ts).
 */
const table = {
  /** QEMU connects to its sockets; QEMU's monitor answers a command. */
  qemu: { what: 'QEMU', ms: 20_000 },
  /** Also of a kernel reached by kexec. Generous: a machine without KVM is slow. */
  boot: { what: 'the first message', ms: 120_000 },
  setup: { what: '`setup`', ms: 20_000 },
  begin: { what: 'the start of a test', ms: 30_000 },
  /** A test whose settings say nothing; kselftest's own default is 45 s on real machines. */
  test: { what: 'a test', ms: 60_000 },
  /** More than the kernel's own watchdogs take to speak: 20 s for a soft lockup, 21 s for a stall of RCU. */
  silence: { what: 'a sign of life', ms: 30_000 },
  grace: { what: 'after Kiln has ended it', ms: 30_000 },
  delivery: { what: 'the last output of a test', ms: 15_000 },
  fetch: { what: 'the files of a test', ms: 30_000 },
  send: { what: 'the transfer of files for kexec', ms: 60_000 },
  powerOff: { what: 'power-off', ms: 30_000 },
  /** All that a hung guest is asked. */
  hang: { what: 'a hung guest', ms: 150_000 },
} satisfies Record<string, Limit>;

export type LimitName = keyof typeof table;

/** Milliseconds, by name. */
export const limits = Object.fromEntries(Object.entries(table).map(([name, { ms }]) => [name, ms])) as Record<
  LimitName,
  number
>;

/** The table as docs/verdicts.md has it. */
export const limitTable: readonly Limit[] = Object.values(table);
