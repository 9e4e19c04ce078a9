// SPDX-License-Identifier: MIT

import { join } from 'node:path';
import { benchBoot } from '../bench/boot.ts';
import { benchFork, benchRestore } from '../bench/fork.ts';
import { benchLiveUpdate, kexecSuite } from '../bench/liveupdate.ts';
import { benchMsharefs, fullSize, pageTablesSuite, usualSize } from '../bench/msharefs.ts';
import { benchChange, benchWarm } from '../bench/rebuild.ts';
import { type Context, cacheDirectory } from '../context.ts';
import { KilnError } from '../errors.ts';
import type { Built } from '../job/built.ts';
import { paths } from '../paths.ts';
import { findSuites } from '../suite/suite.ts';
import { useCache } from '../util/cache.ts';
import { addBuildOptions, type JobOptions, jobsOption, positive, readPlan } from './ask.ts';
import { buildQuietly } from './build.ts';
import type { Cli } from './command.ts';

type Options = JobOptions & { rounds: number; json?: boolean; full?: boolean; plot?: string };
type Bench = (built: Built, options: Options, jobs: number, context: Context) => Promise<object>;

/** Medians of fewer say little about a fork. */
const leastForks = 20;

const subjects: Record<string, Bench> = {
  boot: (built, { rounds }, _, { signal }) => benchBoot(built, rounds, signal),
  fork: (built, { rounds }, jobs, context) => benchFork(built, Math.max(rounds, leastForks), jobs, context),
  liveupdate: (built, { rounds, plot }, _, context) => benchLiveUpdate(built, rounds, plot, context),
  msharefs: (built, { rounds, full, plot }, _, context) =>
    benchMsharefs(built, full ? fullSize : usualSize, rounds, plot, context),
  restore: (built, { rounds }, jobs, context) => benchRestore(built, rounds, jobs, context),
  warm: (_, { rounds }, __, { signal }) => benchWarm(Math.min(rounds, 5), signal),
  change: (built, _, __, { signal }) => benchChange(built, signal),
};
const subjectNames = Object.keys(subjects);

export function registerBench({ program, run, signal }: Cli): void {
  addBuildOptions(program.command('bench'))
    .description('measure what Kiln costs on this machine')
    .argument(
      '[subject...]',
      'boot, warm (default: both); restore; fork (minutes: it boots a hundred guests); liveupdate; msharefs; change (a cold build)',
    )
    .option('--rounds <n>', 'how often', positive, 10)
    .option('--full', 'msharefs: 1 GiB in 64 processes (many minutes)')
    .option('--plot <file>', 'liveupdate, msharefs: a picture of it, as SVG')
    .option('--json', 'for programs')
    .addOption(jobsOption())
    .action(run((subjects: string[], options: Options) => benchCommand(subjects, options, signal)));
}

/** `kiln bench`: figures of this machine, compared within one run. One subject's figures stand by themselves. */
async function benchCommand(wanted: string[], options: Options, signal: AbortSignal): Promise<number> {
  const unknown = wanted.find((name) => !subjectNames.includes(name));
  if (unknown)
    throw new KilnError('usage', `no bench "${unknown}"`, { hint: `there are: ${subjectNames.join(', ')}` });
  const chosen = wanted.length > 0 ? wanted : ['boot', 'warm'];
  const plan = await readPlan([], { ...options, tests: options.tests ?? (await programsFor(chosen)) });
  await using _cache = await useCache(cacheDirectory(), signal);
  const built = await buildQuietly(plan, signal);
  const context = { cache: cacheDirectory(), signal, progress: showProgress(), note: showNote };
  const figures: Record<string, object> = {};
  for (const name of chosen) {
    process.stderr.write(`kiln: measuring ${name}\n`);
    figures[name] = await subjects[name]!(built, options, plan.ask.jobs, context);
  }
  const all = {
    accelerator: built.accelerator.name,
    ...(chosen.length === 1 ? figures[chosen[0]!] : figures),
  };
  process.stdout.write(options.json ? `${JSON.stringify(all, null, 2)}\n` : readable(all));
  return 0;
}

/** Suites to be in the image; none if the default ones will do. */
async function programsFor(subjects: string[]): Promise<string[]> {
  const own = [
    ...(subjects.includes('fork') ? [join(paths.root, 'harness', 'fixtures', 'trivial')] : []),
    ...(subjects.includes('liveupdate') ? [kexecSuite] : []),
    ...(subjects.includes('msharefs') ? [pageTablesSuite] : []),
  ];
  if (own.length === 0) return [];
  return [...(await findSuites(paths.guestTests)).map(({ dir }) => dir), ...own];
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
