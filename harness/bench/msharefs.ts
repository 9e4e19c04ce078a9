// SPDX-License-Identifier: MIT
// What sharing page tables saves: processes that share memory in the ordinary way and by msharefs, in one guest.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { artifacts, type TestRequest } from '../execution/request.ts';
import { machineFor } from '../guest/machine.ts';
import type { Built } from '../job/built.ts';
import { paths } from '../paths.ts';
import { plotMsharefs } from './msharefsPlot.ts';
import { runOne } from './one.ts';
import { type Figure, figure, ratio } from './statistics.ts';

/** The suite that measures, in the guest. */
export const pageTablesSuite = join(paths.images, 'bench', 'page-tables');

/** How much is measured. `mib` is what each process touches, `protectedMib` what is given another protection. */
export type MsharefsSize = { processes: number; mib: number; protectedMib: number };

/** Seconds under emulation, most of them the ordinary way's faults. */
export const usualSize: MsharefsSize = { processes: 64, mib: 64, protectedMib: 256 };
/** 33 million faults: many minutes under emulation. */
export const fullSize: MsharefsSize = { processes: 64, mib: 1024, protectedMib: 256 };

/** What so many processes take to touch all: page tables in KiB, minor faults, milliseconds of guest time. */
const way = z.object({ page_tables_kib: z.number(), faults: z.number(), ms: z.number() });
const step = z.object({ processes: z.number(), ordinary: way, mshare: way });
const aloneWay = z.object({ faults: z.number(), ms: z.number() });
const rawSchema = z.object({
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

/** @param plot a file for the figures as an SVG picture */
export async function benchMsharefs(
  built: Built,
  size: MsharefsSize,
  rounds: number,
  plot: string | undefined,
  context: Context,
): Promise<MsharefsBench> {
  const bench = figuresOf(await measure(built, size, rounds, context));
  if (plot !== undefined) await writeFile(plot, plotMsharefs(bench));
  return bench;
}

/** Pure: what was measured → what is said of it. */
export function figuresOf({ processes, mib, steps, alone, protect }: RawMsharefs): MsharefsBench {
  const last = steps.at(-1)!;
  const ordinary_ms = figure(alone.map((round) => round.ordinary.ms));
  const mshare_ms = figure(alone.map((round) => round.mshare.ms));
  const changed = { ordinary_ms: figure(protect.ordinary_ms), mshare_ms: figure(protect.mshare_ms) };
  return {
    page_table_ratio: fine(last.mshare.page_tables_kib, last.ordinary.page_tables_kib),
    minor_fault_ratio: fine(last.mshare.faults, last.ordinary.faults),
    time_ratio: fine(last.mshare.ms, last.ordinary.ms),
    growth_kib: last.mshare.page_tables_kib - steps[0]!.mshare.page_tables_kib,
    alone_ratio: ratio(ordinary_ms.median, mshare_ms.median),
    protect_ratio: fine(changed.mshare_ms.median, changed.ordinary_ms.median),
    processes,
    mib,
    steps,
    alone: { ordinary_ms, mshare_ms },
    protect: { mib: protect.mib, ...changed },
  };
}

/** Four decimals: some of these are below 1/64. */
function fine(a: number, b: number): number {
  return Math.round((10_000 * a) / b) / 10_000;
}

async function measure(
  built: Built,
  { processes, mib, protectedMib }: MsharefsSize,
  rounds: number,
  context: Context,
): Promise<RawMsharefs> {
  const runDir = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  try {
    const guestDir = join(runDir, 'guest');
    // The memory itself, the ordinary way's page tables, the processes, and the rest of the guest.
    const largest = Math.max(mib, protectedMib);
    const memory = 512 + largest + Math.ceil((processes * largest) / 512) + 4 * processes;
    const request: TestRequest = {
      ...{
        suite: 'page-tables',
        test: 'figures',
        program: 'figures',
        job: 'bench',
        reproduce: '',
        expectSplats: [],
      },
      args: [processes, mib, protectedMib, rounds].map(String),
      collect: [artifacts],
      machine: machineFor({ memory, cpus: 2 }, built),
      ...{ origin: 'boot', limit: 3600, runDir, guestDir },
    };
    context.progress(`${processes} processes, ${mib} MiB`);
    await runOne(request, context);
    const text = await readFile(join(guestDir, 'artifacts', 'figures.json'), 'utf8');
    return rawSchema.parse(JSON.parse(text));
  } finally {
    await rm(runDir, { recursive: true, force: true });
  }
}
