// SPDX-License-Identifier: MIT
import { benchBoot } from '../bench/boot.ts';
import { benchCi } from '../bench/ci.ts';
import { benchFork, benchRestore, trivialSuite } from '../bench/fork.ts';
import { benchChange, benchEdit, benchWarm } from '../bench/rebuild.ts';
import { type BenchOptions, findSuiteBenches, type SuiteBench } from '../bench/suites.ts';
import { type Context, cacheDirectory } from '../context.ts';
import { KilnError } from '../errors.ts';
import { paths } from '../paths.ts';
import { findSuites } from '../suite/suite.ts';
import { useCache } from '../util/cache.ts';
import { addBuildOptions, type JobOptions, jobsOption, positive, readPlan } from './ask.ts';
import { buildQuietly } from './build.ts';
import type { Cli } from './command.ts';

type Options = JobOptions & BenchOptions & { json?: boolean };
/** Kiln's own benches are given the number of guests at once, too. */
type Bench = Omit<SuiteBench, 'options' | 'run'> & {
  run: (...args: [...Parameters<SuiteBench['run']>, jobs: number]) => Promise<object>;
};

/** Medians of fewer say little about a fork. */
const leastForks = 20;

const ownBenches: [string, Bench][] = Object.entries({
  boot: {
    about: "time to the agent's first message, compared with a bare QEMU (default, with warm)",
    suites: [],
    run: (built, { rounds }, { signal }) => benchBoot(built, rounds, signal),
  },
  warm: {
    about: 'time of `kiln test boot` with nothing changed',
    suites: [],
    run: (_, { rounds }, { signal }) => benchWarm(Math.min(rounds, 5), signal),
  },
  restore: {
    about: 'time of a fork, and how many forks fail',
    suites: [],
    run: (built, { rounds }, context, jobs) => benchRestore(built, rounds, jobs, context),
  },
  fork: {
    about: 'a fork compared with a boot (takes minutes: boots a hundred guests)',
    suites: [trivialSuite],
    run: (built, { rounds }, context, jobs) => benchFork(built, Math.max(rounds, leastForks), jobs, context),
  },
  change: {
    about: 'build after a change of one line, compared with a full build (which it makes)',
    suites: [],
    run: (built, _, { signal }) => benchChange(built, signal),
  },
  edit: {
    about:
      'from a changed line of a checkout (--tree) to a verdict, compared with make (which builds a kernel)',
    suites: [],
    run: (built, { rounds }, { signal }) => benchEdit(built, Math.min(rounds, 5), signal),
  },
  ci: {
    about: '`kiln ci` of ten patches, compared with a full build (which it makes, and twelve small ones)',
    suites: [],
    run: (built, _, { signal }) => benchCi(built, signal),
  },
} satisfies Record<string, Bench>);

export async function registerBench({ program, run, signal }: Cli): Promise<void> {
  const ofSuites = await findSuiteBenches();
  const benches = new Map<string, Bench>([...ownBenches, ...ofSuites]);
  const command = addBuildOptions(program.command('bench'))
    .description('measure what Kiln costs on this machine, and what the series gain')
    .argument('[subject...]', 'what to measure, see below (default: boot and warm)')
    .option('--rounds <n>', 'number of measurements', positive, 10)
    .option('--plot <file>', `${[...ofSuites.keys()].join(', ')}: draw a figure (SVG)`)
    .option('--json', 'print JSON')
    .addOption(jobsOption())
    .addHelpText('after', listBenches(benches));
  for (const [name, { options }] of ofSuites)
    for (const [flags, description] of options) command.option(flags, `${name}: ${description}`);
  command.action(run((names: string[], options: Options) => benchCommand(names, options, benches, signal)));
}

function listBenches(benches: ReadonlyMap<string, Bench>): string {
  return `\nSubjects:\n${[...benches].map(([name, { about }]) => `  ${name.padEnd(12)} ${about}`).join('\n')}`;
}

/** `kiln bench`: figures of this machine, compared within one run. One subject's figures stand by themselves. */
async function benchCommand(
  wanted: string[],
  options: Options,
  benches: ReadonlyMap<string, Bench>,
  signal: AbortSignal,
): Promise<number> {
  const unknown = wanted.find((name) => !benches.has(name));
  if (unknown)
    throw new KilnError('usage', `no bench "${unknown}"`, {
      hint: `there are: ${[...benches.keys()].join(', ')}`,
    });
  const chosen = wanted.length > 0 ? wanted : ['boot', 'warm'];
  const suites = chosen.flatMap((name) => benches.get(name)!.suites);
  const plan = await readPlan([], { ...options, tests: options.tests ?? (await withDefaults(suites)) });
  await using _cache = await useCache(cacheDirectory(), signal);
  const built = await buildQuietly(plan, signal);
  const context = { cache: cacheDirectory(), signal, progress: showProgress(), note: showNote };
  const figures: Record<string, object> = {};
  for (const name of chosen) {
    process.stderr.write(`kiln: measuring ${name}\n`);
    figures[name] = await benches.get(name)!.run(built, options, context, plan.ask.jobs);
  }
  const all = {
    accelerator: built.accelerator.name,
    ...(chosen.length === 1 ? figures[chosen[0]!] : figures),
  };
  process.stdout.write(options.json ? `${JSON.stringify(all, null, 2)}\n` : readable(all));
  return 0;
}

/** The default suites and these; none if the default ones will do. */
async function withDefaults(suites: string[]): Promise<string[]> {
  if (suites.length === 0) return [];
  return [...(await findSuites(paths.guestTests)).map(({ dir }) => dir), ...suites];
}

/** Now and then, not for each of a hundred. */
function showProgress(): Context['progress'] {
  let last = 0;
  return (text, done = 0, total = 0) => {
    if (performance.now() - last < 5000) return;
    last = performance.now();
    process.stderr.write(`kiln: ${text}${total > 0 ? ` (${done} of ${total})` : ''}\n`);
  };
}

function showNote(level: 'info' | 'warn', text: string): void {
  process.stderr.write(`kiln: ${level === 'warn' ? 'warning: ' : ''}${text}\n`);
}

/** A line a figure, its name with dots. */
function readable(value: object, prefix = ''): string {
  return Object.entries(value)
    .map(([key, inner]) => {
      if (typeof inner !== 'object' || inner === null)
        return `${prefix}${key.padEnd(28 - prefix.length)} ${inner}\n`;
      if (!('median' in inner)) return readable(inner, `${prefix}${key}.`);
      const { median, min, max, n } = inner as Record<string, number>;
      return `${prefix}${key.padEnd(28 - prefix.length)} ${median} (${min} to ${max}, n=${n})\n`;
    })
    .join('');
}
