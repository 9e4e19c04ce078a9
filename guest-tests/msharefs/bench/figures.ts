// SPDX-License-Identifier: MIT
// What the program in the guest writes, and the figures made of it.
import { z } from 'zod';
import { type Figure, figure, ratio } from '../../../harness/bench/statistics.ts';

/** What so many processes take to touch all: page tables in KiB, minor faults, milliseconds of guest time. */
const way = z.object({ page_tables_kib: z.number(), faults: z.number(), ms: z.number() });
const step = z.object({ processes: z.number(), ordinary: way, mshare: way });
const aloneWay = z.object({ faults: z.number(), ms: z.number() });
export const rawSchema = z.object({
  processes: z.number(),
  mib: z.number(),
  steps: z.array(step).min(1),
  alone: z.array(z.object({ ordinary: aloneWay, mshare: aloneWay })).min(1),
  protect: z.object({
    processes: z.number(),
    mib: z.number(),
    ordinary_ms: z.array(z.number()).min(1),
    mshare_ms: z.array(z.number()).min(1),
  }),
});

/** What the program in the guest writes. */
export type RawMsharefs = z.infer<typeof rawSchema>;

/** Ratios are msharefs to the ordinary way, at the largest number of processes. */
export type MsharefsBench = {
  page_table_ratio: number;
  minor_fault_ratio: number;
  time_ratio: number;
  /** Page tables that the region has more of for all processes than for one. */
  growth_kib: number;
  /** Faults a second of one process alone. */
  alone_ratio: number;
  /** One ioctl, against mprotect(2) in each process. */
  protect_ratio: number;
  processes: number;
  mib: number;
  steps: RawMsharefs['steps'];
  alone: { ordinary_ms: Figure; mshare_ms: Figure };
  protect: { mib: number; ordinary_ms: Figure; mshare_ms: Figure };
};

/** Pure: measurements → figures. */
export function figuresOf({ processes, mib, steps, alone, protect }: RawMsharefs): MsharefsBench {
  const last = steps.at(-1)!;
  const ordinaryMs = figure(alone.map((round) => round.ordinary.ms));
  const mshareMs = figure(alone.map((round) => round.mshare.ms));
  const changed = { ordinary_ms: figure(protect.ordinary_ms), mshare_ms: figure(protect.mshare_ms) };
  return {
    page_table_ratio: fine(last.mshare.page_tables_kib, last.ordinary.page_tables_kib),
    minor_fault_ratio: fine(last.mshare.faults, last.ordinary.faults),
    time_ratio: fine(last.mshare.ms, last.ordinary.ms),
    growth_kib: last.mshare.page_tables_kib - steps[0]!.mshare.page_tables_kib,
    alone_ratio: ratio(ordinaryMs.median, mshareMs.median),
    protect_ratio: fine(changed.mshare_ms.median, changed.ordinary_ms.median),
    processes,
    mib,
    steps,
    alone: { ordinary_ms: ordinaryMs, mshare_ms: mshareMs },
    protect: { mib: protect.mib, ...changed },
  };
}

/** Four decimals: some of these are below 1/64. */
function fine(a: number, b: number): number {
  return Math.round((10_000 * a) / b) / 10_000;
}
