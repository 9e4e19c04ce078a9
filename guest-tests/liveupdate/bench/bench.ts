// SPDX-License-Identifier: MIT
// Measures how long a virtual machine stands still while its host's kernel is replaced, against plain kexec.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runOne } from '../../../harness/bench/one.ts';
import { figure, ratio } from '../../../harness/bench/statistics.ts';
import type { SuiteBench } from '../../../harness/bench/suites.ts';
import type { Context } from '../../../harness/context.ts';
import type { TestRequest } from '../../../harness/execution/request.ts';
import { nextKernel } from '../../../harness/execution/units.ts';
import { machineFor } from '../../../harness/guest/qemu.ts';
import type { Built } from '../../../harness/job/built.ts';
import type { TestResult } from '../../../harness/schema.ts';
import type { LiveUpdateBench, Stages, Step } from './figures.ts';
import { plotLiveUpdate } from './plot.ts';

/** The suite with nothing but kexec in it. */
const kexecSuite = join(import.meta.dirname, 'kexec');

type Variant = { suite: string; program: string; words: string; wholeImage?: boolean };

const tuned = 'quiet maxcpus=1';
const inSmall = { suite: 'liveupdate', program: 'vm_one_cpu', words: 'liveupdate.vm=64' };
const inWhole = { ...inSmall, wholeImage: true };

/** Each step includes those before it. */
const steps = {
  untuned: withWords(inWhole, 'liveupdate.late=1'),
  loaded_ahead: inWhole,
  small_initramfs: inSmall,
  quiet: withWords(inSmall, 'quiet'),
  small: withWords(inSmall, tuned),
} satisfies Record<Step, Variant>;

const variants = {
  plain: { suite: 'kexec', program: 'plain', words: tuned },
  ...steps,
  large: { ...inSmall, words: `${tuned} liveupdate.vm=1024` },
  two_cpus: { ...withWords(inSmall, tuned), program: 'vm_two_cpus' },
} satisfies Record<string, Variant>;
type Name = keyof typeof variants;
const names = Object.keys(variants) as Name[];

function withWords(variant: Variant, words: string): Variant {
  return { ...variant, words: `${words} ${variant.words}` };
}

/** Kernels that follow one another in one guest. */
const chain = 4;
/** All variants run on the same machine, so that they can be compared. */
const settings = { memory: 3072, cpus: 2, cmdline: 'memmap=1536M$256M guestmemfs=1536M:256M' };
const limit = 900;

/** Samples by name, from each kernel but the first. */
type Samples = Map<string, number[]>;

export const bench: SuiteBench = {
  about: 'how long a virtual machine is stopped when the kernel of its host is replaced',
  suites: [kexecSuite],
  options: [],
  run: async (built, { rounds, plot }, context) => {
    const figures = await measure(built, rounds, context);
    if (plot !== undefined) await writeFile(plot, plotLiveUpdate(figures));
    return figures;
  },
};

/** @param rounds samples of each, or some more */
async function measure(built: Built, rounds: number, context: Context): Promise<LiveUpdateBench> {
  const samples = Object.fromEntries(names.map((name) => [name, new Map()])) as Record<Name, Samples>;
  for (let done = 0; done < rounds; done += chain - 1)
    for (const name of names) {
      context.progress(`a kernel after another: ${name}`, done, rounds);
      add(samples[name], await follow(built, variants[name], context));
    }
  const of = (name: Name, what: string) => figure(samples[name].get(what) ?? []);
  const stagesOf = (name: Name): Stages => {
    const stages = [...samples[name].keys()].filter((what) => what.startsWith('stage_'));
    return Object.fromEntries(stages.map((what) => [what.slice('stage_'.length), of(name, what)]));
  };
  const ofSteps = <T>(use: (step: Step) => T) =>
    Object.fromEntries((Object.keys(steps) as Step[]).map((step) => [step, use(step)])) as Record<Step, T>;
  const [plain, large] = [of('plain', 'outside'), of('large', 'blackout')];
  const afterSteps = ofSteps((step) => of(step, 'blackout'));
  const { untuned, small } = afterSteps;
  return {
    plain_ms: plain,
    blackout_ms: { small, large, two_cpus: of('two_cpus', 'blackout') },
    memory_ratio: ratio(large.median, small.median),
    plain_ratio: ratio(small.median, plain.median),
    steps_ms: afterSteps,
    tuning: ratio(untuned.median - small.median, untuned.median),
    stages_ms: { large: stagesOf('large'), ...ofSteps(stagesOf) },
    beside_ms: { load: of('small', 'load'), processors: of('small', 'processors') },
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
  for (const [, what, value] of output.matchAll(/^# (\w+)_ms (-?[\d.]+)$/gm))
    add(samples, new Map([[what!, [Number(value)]]]));
  return samples;
}

async function firstTouch(built: Built, context: Context): Promise<LiveUpdateBench['first_touch']> {
  const variant = { suite: 'liveupdate', program: 'first_touch', words: '' };
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
    const request: TestRequest = {
      ...{ suite, program, test: program, job: 'bench', reproduce: '', args: [], expectSplats: [] },
      collect: [],
      machine: machineFor(settings, built, `${words} liveupdate.keep=1`),
      ...{ origin: 'fork', limit, runDir, guestDir: join(runDir, 'guest') },
      ...(generations > 1
        ? { kexec: { generations, next, sent: suite === 'liveupdate' ? 1 : generations - 1 } }
        : {}),
    };
    const result = await runOne(request, context);
    return await use(result, (path) => readFile(join(runDir, path), 'utf8'));
  } finally {
    await rm(runDir, { recursive: true, force: true });
  }
}
