// SPDX-License-Identifier: MIT
// What a virtual machine loses of its time when the kernel under it is replaced, against nothing but kexec.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineFor } from '../guest/machine.ts';
import type { Built } from '../job.ts';
import type { TrialRequest } from '../passage.ts';
import { paths } from '../paths.ts';
import type { TestResult } from '../results/schema.ts';
import { nextKernel } from '../tests.ts';
import type { Context } from '../util/context.ts';
import { plotLiveUpdate } from './liveupdatePlot.ts';
import { runOne } from './one.ts';
import { type Figure, figure, ratio } from './statistics.ts';

/** The suite with nothing but kexec in it. */
export const kexecSuite = join(paths.images, 'bench', 'kexec');

/**
 * Milliseconds. A blackout is measured inside, from the last instruction of the virtual machine on the one kernel to
 * its first on the next; `plain`, from the order to leave to the agent's first word, outside.
 */
export type LiveUpdateBench = {
  /** kexec to PID 1, the next kernel loaded ahead, nothing kept. */
  plain_ms: Figure;
  /** A virtual machine of 64 MiB, and one whose memory is 1 GiB. */
  blackout_ms: { small: Figure; large: Figure; two_cpus: Figure };
  /** large / small: what a blackout costs for sixteen times the memory. */
  memory_ratio: number;
  /** small / plain. */
  plain_ratio: number;
  /** With the initramfs that the guest was booted with, and a console that is told everything; else as `small`. */
  untuned_ms: Figure;
  /** 1 - small / untuned. */
  tuning: number;
  /** Where blackouts go, in the order of the stages. */
  stages_ms: { small: Stages; large: Stages; untuned: Stages };
  /** Loading the next kernel, which is no part of a blackout: the virtual machine runs on. */
  load_ms: Figure;
  /** Minor faults at the first touch of the same memory. */
  first_touch: { faults_2m: number; faults_4k: number; ratio: number };
};

export type Stages = Record<string, Figure>;

type Variant = { suite: string; program: string; words?: string; wholeImage?: boolean };

const variants = {
  plain: { suite: 'kexec', program: 'plain', words: 'quiet' },
  small: { suite: 'liveupdate', program: 'vm_one_cpu', words: 'quiet liveupdate.vm=64' },
  large: { suite: 'liveupdate', program: 'vm_one_cpu', words: 'quiet liveupdate.vm=1024' },
  two_cpus: { suite: 'liveupdate', program: 'vm_two_cpus', words: 'quiet liveupdate.vm=64' },
  untuned: { suite: 'liveupdate', program: 'vm_one_cpu', words: 'liveupdate.vm=64', wholeImage: true },
} satisfies Record<string, Variant>;
const names = Object.keys(variants) as (keyof typeof variants)[];

/** Kernels that follow one another in one guest. */
const chain = 4;
/** All variants have the same machine, so that only what is measured differs. */
const settings = { memory: 3072, cpus: 2, cmdline: 'memmap=1536M$256M guestmemfs=1536M:256M' };
const limit = 900;

/** Samples by name: what each kernel but the first said of how it was come to. */
type Samples = Map<string, number[]>;

/**
 * @param rounds samples of each, or some more
 * @param plot a file for the stages as an SVG picture
 */
export async function benchLiveUpdate(
  built: Built,
  rounds: number,
  plot: string | undefined,
  context: Context,
): Promise<LiveUpdateBench> {
  const bench = await measure(built, rounds, context);
  if (plot !== undefined) await writeFile(plot, plotLiveUpdate(bench));
  return bench;
}

async function measure(built: Built, rounds: number, context: Context): Promise<LiveUpdateBench> {
  const samples = Object.fromEntries(names.map((name) => [name, new Map()])) as Record<
    keyof typeof variants,
    Samples
  >;
  for (let done = 0; done < rounds; done += chain - 1)
    for (const name of names) {
      context.progress(`a kernel after another: ${name}`, done, rounds);
      add(samples[name], await follow(built, variants[name], context));
    }
  const of = (name: keyof typeof variants, what: string) => figure(samples[name].get(what) ?? []);
  const [plain, small] = [of('plain', 'outside'), of('small', 'blackout')];
  const [large, untuned] = [of('large', 'blackout'), of('untuned', 'blackout')];
  const stagesOf = (name: keyof typeof variants): Stages => {
    const stages = [...samples[name].keys()].filter((what) => what.startsWith('stage_'));
    return Object.fromEntries(stages.map((what) => [what.slice('stage_'.length), of(name, what)]));
  };
  return {
    plain_ms: plain,
    blackout_ms: { small, large, two_cpus: of('two_cpus', 'blackout') },
    memory_ratio: ratio(large.median, small.median),
    plain_ratio: ratio(small.median, plain.median),
    untuned_ms: untuned,
    tuning: ratio(untuned.median - small.median, untuned.median),
    stages_ms: { small: stagesOf('small'), large: stagesOf('large'), untuned: stagesOf('untuned') },
    load_ms: of('small', 'load'),
    first_touch: await firstTouch(built, context),
  };
}

function add(samples: Samples, more: Samples): void {
  for (const [what, values] of more) samples.set(what, [...(samples.get(what) ?? []), ...values]);
}

/** From kernel to kernel in one guest. */
async function follow(built: Built, variant: Variant, context: Context): Promise<Samples> {
  return run(built, variant, chain, context, async ({ generations }, output) => {
    const samples: Samples = new Map();
    for (const generation of generations!) {
      const said = figuresIn(await output(generation.output));
      if (generation.blackout_ms !== null) said.set('outside', [generation.blackout_ms]);
      add(samples, said);
    }
    return samples;
  });
}

/** Lines such as `# blackout_ms 812.5`. */
export function figuresIn(output: string): Samples {
  const samples: Samples = new Map();
  for (const [, what, value] of output.matchAll(/^# (\w+)_ms ([\d.]+)$/gm))
    add(samples, new Map([[what!, [Number(value)]]]));
  return samples;
}

async function firstTouch(built: Built, context: Context): Promise<LiveUpdateBench['first_touch']> {
  const variant = { suite: 'liveupdate', program: 'first_touch' };
  return run(built, variant, 1, context, async ({ guest }, output) => {
    const [, large, small] = /^# faults_2m (\d+), faults_4k (\d+)/m.exec(await output(guest!.output)) ?? [];
    return { faults_2m: Number(large), faults_4k: Number(small), ratio: ratio(Number(small), Number(large)) };
  });
}

async function run<T>(
  built: Built,
  { suite, program, words, wholeImage = false }: Variant,
  generations: number,
  context: Context,
  use: (result: TestResult, output: (path: string) => Promise<string>) => Promise<T>,
): Promise<T> {
  const runDir = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  try {
    const next = (generation: number) => ({
      ...nextKernel(built, `${suite}/${program}`, generation),
      ...(wholeImage ? { initramfs: built.image.path } : {}),
    });
    const request: TrialRequest = {
      ...{ suite, program, test: program, job: 'bench', reproduce: '', args: [], expectSplats: [] },
      machine: machineFor(settings, built, words),
      ...{ origin: 'fork', limit, runDir, guestDir: join(runDir, 'guest') },
      ...(generations > 1 ? { kexec: { generations, next } } : {}),
    };
    const result = await runOne(request, context);
    return await use(result, (path) => readFile(join(runDir, path), 'utf8'));
  } finally {
    await rm(runDir, { recursive: true, force: true });
  }
}
