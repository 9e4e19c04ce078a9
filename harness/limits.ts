// SPDX-License-Identifier: MIT
// How long Kiln waits for each thing. docs/verdicts.md has this table under "Time"; limits.test.ts compares
// them.

/** One wait, in milliseconds. `what`: its name in the table of docs/verdicts.md. */
type Limit = { what: string; ms: number };

/**
 * Waits for a guest count only the time in which the host runs QEMU (guest/steal.ts). While a test runs, they
 * are scaled by how slow its guest's boot was (results/timing.ts).
 */
const table = {
  /** For QEMU to connect to its sockets, and for its monitor to answer a command. */
  qemu: { what: 'QEMU', ms: 20_000 },
  /** Also after kexec. Generous, because a guest without KVM is slow. */
  boot: { what: 'the first message', ms: 120_000 },
  setup: { what: '`setup`', ms: 20_000 },
  begin: { what: 'the start of a test', ms: 30_000 },
  /** For a test whose settings have no limit. kselftest's own default is 45 s, on real machines. */
  test: { what: 'a test', ms: 60_000 },
  /** Longer than the kernel's watchdogs need: 20 s for a soft lockup, 21 s for an RCU stall. */
  silence: { what: 'a sign of life', ms: 30_000 },
  grace: { what: 'after Kiln has ended it', ms: 30_000 },
  delivery: { what: 'the last output of a test', ms: 15_000 },
  fetch: { what: 'the files of a test', ms: 30_000 },
  send: { what: 'the transfer of files for kexec', ms: 60_000 },
  powerOff: { what: 'power-off', ms: 30_000 },
  /** For all questions to a hung guest together. */
  hang: { what: 'a hung guest', ms: 150_000 },
} satisfies Record<string, Limit>;

export type LimitName = keyof typeof table;

/** The waits by name, in milliseconds. */
export const limits = Object.fromEntries(Object.entries(table).map(([name, { ms }]) => [name, ms])) as Record<
  LimitName,
  number
>;

/** The rows of the table in docs/verdicts.md. */
export const limitTable: readonly Limit[] = Object.values(table);
