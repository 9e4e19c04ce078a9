// SPDX-License-Identifier: MIT
// Compares processes that share memory by msharefs with processes that share it without, in one guest.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runOne } from '../../../harness/bench/one.ts';
import type { SuiteBench } from '../../../harness/bench/suites.ts';
import type { Context } from '../../../harness/context.ts';
import { artifacts } from '../../../harness/execution/collect.ts';
import type { TestRequest } from '../../../harness/execution/request.ts';
import { machineFor } from '../../../harness/guest/qemu.ts';
import type { Built } from '../../../harness/job/built.ts';
import { figuresOf, type RawMsharefs, rawSchema } from './figures.ts';
import { plotMsharefs } from './plot.ts';

/** The suite that measures, in the guest. */
const pageTablesSuite = join(import.meta.dirname, 'page-tables');

/** How much is measured. `mib` is what each process touches, `protectedMib` what is given another protection. */
type MsharefsSize = { processes: number; mib: number; protectedMib: number };

/** Seconds under emulation, most of them the ordinary way's faults. */
const usualSize: MsharefsSize = { processes: 64, mib: 64, protectedMib: 256 };
/** 33 million faults: many minutes under emulation. */
const fullSize: MsharefsSize = { processes: 64, mib: 1024, protectedMib: 256 };

export const bench: SuiteBench = {
  about: 'page tables, faults and time of processes that share memory, with msharefs and without',
  suites: [pageTablesSuite],
  options: [['--full', '1 GiB in 64 processes (many minutes)']],
  run: async (built, { rounds, plot, full }, context) => {
    const figures = figuresOf(await measure(built, full ? fullSize : usualSize, rounds, context));
    if (plot !== undefined) await writeFile(plot, plotMsharefs(figures));
    return figures;
  },
};

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
