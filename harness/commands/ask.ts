// SPDX-License-Identifier: MIT
// The options that say what a job is, shared by test, build and shell.
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { KilnError } from '../errors.ts';
import * as arch from '../guest/arch/x86_64.ts';
import { type Ask, defaultBase, type Plan, plan } from '../job/plan.ts';
import { isPath } from '../kernel/config.ts';
import { paths } from '../paths.ts';
import { findProject, type Project } from '../project.ts';
import { isLoreSource } from '../series/b4.ts';
import { listSeries } from '../series/series.ts';
import { type Isolation, isolations } from '../suite/settings.ts';
import { findSuites, readSuite, type Suite } from '../suite/suite.ts';
import { exists } from '../util/files.ts';

/** How a series is read. */
export type SeriesOptions = { revision?: number; allowIncomplete?: boolean; inbox?: string };

/** Options as commander gives them. */
export type JobOptions = SeriesOptions & {
  series?: string[] | false;
  /** --no-series, and --series, were given. */
  withoutSeries?: boolean;
  withSeries?: boolean;
  with?: string[];
  upTo?: number;
  base?: string;
  config?: string[];
  configFrom?: string;
  set?: string[];
  llvm?: string | true;
  cc?: string;
  tree?: string;
  project?: string;
  tests?: string[];
  accel: Ask['accel'];
  sandbox: Ask['sandbox'];
  timeout?: number;
  jobs?: number;
  isolate?: Isolation;
  next?: string[];
  generations?: number;
};

/** What a series can be given as. */
export const seriesSources =
  'a name in patches/, a directory of patches, an mbox (also .gz, .xz), a maildir, lore:MESSAGE-ID, the URL of a mail, git:DIR#A..B';

/** What a base can be given as. */
export const baseSources =
  'debian:PACKAGE[=VERSION][@SUITE], tar:FILE-or-URL[#sha256=HEX], git:DIR#REF or tree:DIR';

/** What to take of a thread: `kiln series` has these, too. */
export function addSeriesOptions(command: Command): Command {
  return command
    .option('--revision <n>', 'vN of the series, instead of its newest complete version', version)
    .option('--allow-incomplete', 'apply the series without its missing parts')
    .option('--inbox <dir>', 'a public-inbox mirror, in which Kiln looks up lore:MESSAGE-ID');
}

/** Whose series, suites and fragments are meant. */
export function projectOption(): Option {
  return new Option(
    '--project <dir>',
    'take series, suites and config fragments from patches/, guest-tests/ and kernel-config/ there (default: the working directory if it has one of them)',
  );
}

/** What to build: all commands that build take these, but for `kiln ci`. */
export function addBuildOptions(command: Command): Command {
  const chosen = addSeriesOptions(command)
    .option(
      '--series <src>',
      `a series instead of those in patches/: ${seriesSources}; repeat for several`,
      collect,
    )
    .option('--no-series', 'test the base without a series')
    // Commander has one value for both: the last one wins.
    .on('option:no-series', function (this: Command) {
      this.setOptionValue('withoutSeries', true);
    })
    .on('option:series', function (this: Command) {
      this.setOptionValue('withSeries', true);
    })
    .option('--up-to <n>', 'apply only the first n patches of the series of --series', positive)
    .option(
      '--tree <dir>',
      'your own checkout, with its uncommitted changes; short for --base tree:DIR --no-series',
    );
  return addKernelOptions(
    chosen.option('--base <src>', `the kernel source: ${baseSources} (default: ${defaultBase})`),
  );
}

/** How the kernel is built on which a series is tested. */
export function addKernelOptions(command: Command): Command {
  return command
    .option(
      '--with <src>',
      'a series to apply first, such as a fix that the base lacks; same forms as --series; repeat for several',
      collect,
    )
    .addOption(projectOption())
    .option(
      '--config <names>',
      'config fragments: names in kernel-config/, such as kasan,lockdep,debugvm, or paths',
      collectCommas,
    )
    .option(
      '--config-from <file>',
      'start from a whole configuration, such as .config, instead of the small one of Kiln',
    )
    .option('--set <symbol=value>', 'one config line, such as KSM=y; repeat for several', collect)
    .option(
      '--llvm [suffix]',
      "build the kernel with LLVM's tools; the suffix, such as -19, chooses a version",
    )
    .option('--cc <program>', 'build the kernel with this compiler, such as gcc-11')
    .option(
      '--tests <dir>',
      'run the tests of a directory instead of the default suites; repeat for several',
      collect,
    )
    .addOption(
      new Option('--accel <how>', "QEMU's accelerator; auto: kvm if it works here")
        .choices(['auto', 'kvm', 'tcg'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--sandbox <when>',
        'run the build without network and home directory; auto: if bubblewrap works here',
      )
        .choices(['auto', 'on', 'off'])
        .default('auto'),
    );
}

/** How to run tests. */
export function addRunOptions(command: Command): Command {
  return command
    .option('--timeout <seconds>', "limit of each test; overrides the suites' settings", positive)
    .addOption(
      new Option(
        '--deadline <seconds>',
        'limit of the whole run; a run that reaches it ends as if interrupted',
      )
        .argParser(positive)
        .default(12 * 3600, '12 hours'),
    )
    .addOption(
      new Option('--isolate <what>', "how tests share guests; overrides the suites' settings").choices(
        isolations,
      ),
    )
    .option(
      '--generations <n>',
      "how many kernels a test with kexec goes through; overrides the tests' settings",
      positive,
    )
    .option(
      '--next <dir>',
      'the kernel that tests kexec into: a directory that `kiln build` printed, or "same"; if the option is repeated, the kernels alternate',
      collect,
    )
    .addOption(jobsOption());
}

/** Guests at once. */
export function jobsOption(): Option {
  const text = `number of guests at a time (default: one per core, ${availableParallelism()} here)`;
  return new Option('--jobs <n>', text).argParser(positive);
}

/** Where run directories are. */
export function outOption(): Option {
  return new Option(
    '--out <dir>',
    'the directory of the run directories: DIR/<id>, and a link DIR/latest (default: runs, in the directory of --project)',
  );
}

/** The directory of --out. */
export function runsDirectory({ out, project }: { out?: string; project?: string }): string {
  return out ?? join(project ?? '', 'runs');
}

/** --inbox is of no use to other sources than lore:. */
export function refuseIdleInbox({ inbox }: SeriesOptions, sources: readonly string[]): void {
  if (inbox !== undefined && !sources.some(isLoreSource))
    throw new KilnError('usage', `--inbox ${inbox}: no series is looked up there`, {
      hint: 'it is for a series lore:MESSAGE-ID',
    });
}

/** Options and selectors → a plan, with what is on disk filled in. */
export async function readPlan(select: string[], options: JobOptions): Promise<Plan> {
  if (options.withoutSeries && options.withSeries)
    throw new KilnError('usage', '--no-series and --series exclude each other', {
      hint: 'leave out one of them; --with names a series to apply first',
    });
  if (options.revision !== undefined && !Array.isArray(options.series))
    throw new KilnError('usage', '--revision needs a --series to choose from');
  if (options.upTo !== undefined && !Array.isArray(options.series))
    throw new KilnError('usage', '--up-to needs a --series whose patches it counts');
  refuseIdleInbox(options, [...(options.series || []), ...(options.with ?? [])]);
  if (options.tree !== undefined && options.base !== undefined)
    throw new KilnError('usage', '--tree is a base: leave out --base');
  if (options.tree === '') throw new KilnError('usage', '--tree needs a directory: its value is empty');
  if (options.tree !== undefined && /^\w+:\/\//.test(options.tree))
    throw new KilnError('usage', `--tree ${options.tree} is a URL, not a directory`, {
      hint: 'clone it first: git clone --depth 1 URL linux',
    });
  if (options.llvm !== undefined && options.cc !== undefined)
    throw new KilnError('usage', '--llvm and --cc exclude each other: both name the compiler');
  const project = findProject(options.project);
  const ask: Ask = {
    select,
    series: options.series === false ? [] : (options.series ?? (options.tree === undefined ? null : [])),
    with: options.with ?? [],
    revision: options.revision ?? null,
    upTo: options.upTo ?? null,
    allowIncomplete: options.allowIncomplete ?? false,
    inbox: options.inbox === undefined ? null : resolve(options.inbox),
    base: options.tree === undefined ? (options.base ?? defaultBase) : `tree:${resolve(options.tree)}`,
    config: [...new Set(options.config ?? [])].map((name) => (isPath(name) ? resolve(name) : name)),
    configFrom: options.configFrom === undefined ? null : resolve(options.configFrom),
    set: options.set ?? [],
    compiler: { llvm: options.llvm === undefined ? null : llvmValue(options.llvm), cc: options.cc ?? null },
    project,
    tests: options.tests ?? [],
    accel: options.accel,
    sandbox: options.sandbox,
    timeout: options.timeout ?? null,
    jobs: options.jobs ?? availableParallelism(),
    isolate: options.isolate ?? null,
    next: await findKernels(options.next ?? ['same']),
    generations: options.generations ?? null,
  };
  const given = await Promise.all(ask.tests.map(readSuite));
  return plan(ask, await listSeries(project.patches), await defaultSuites(project), given);
}

/** Absolute; each must hold a kernel that kexec can load. */
async function findKernels(dirs: string[]): Promise<string[]> {
  for (const dir of dirs)
    if (dir !== 'same' && !(await exists(join(dir, arch.image))))
      throw new KilnError('bad-input', `--next ${dir}: there is no ${arch.image} in it`, {
        hint: '`kiln build` prints the directory of a kernel; "same" is the one that is tested',
      });
  return dirs.map((dir) => (dir === 'same' ? dir : resolve(dir)));
}

/** The project's suites; if it has none, those of Kiln's that need no series. */
export async function defaultSuites({ guestTests }: Project): Promise<Suite[]> {
  if (guestTests !== null) return findSuites(guestTests);
  return (await findSuites(paths.guestTests)).filter(({ config }) => config === '');
}

/** `-19`, `19` or a directory → make's LLVM=. */
function llvmValue(text: string | true): string {
  if (text === true || text === '1') return '1';
  if (text.endsWith('/')) return text;
  if (/^-?\d+$/.test(text)) return `-${text.replace('-', '')}`;
  throw new KilnError('usage', `--llvm ${text} is neither a version nor a directory`, {
    hint: `for example: --llvm=-19, --llvm=/usr/lib/llvm-19/bin/; if ${text} is a suite, write it before --llvm`,
  });
}

/** A shell expands ~ at the beginning of a word only. A directory that is called ~ is ./~. */
export function refuseTilde(words: readonly string[]): void {
  const word = words.find((one) => /^(?:--[a-z-]+=)?(?:git:|tar:|tree:|[^\s~]*,)?~[\w-]*\//.test(one));
  if (word === undefined) return;
  const hint = word.includes('~/') ? word.replace('~/', '$HOME/') : 'the path of the home directory';
  throw new KilnError('usage', `~ in ${word} is no home directory: the shell did not expand it`, {
    hint: `write ${hint}`,
  });
}

/** Values of an option that may be repeated, for commander. */
export function collect(value: string, previous: string[] | boolean | undefined): string[] {
  return [...(Array.isArray(previous) ? previous : []), value];
}

function collectCommas(value: string, previous: string[] = []): string[] {
  return [...previous, ...value.split(',').filter((name) => name !== '')];
}

/** The version of a series, for commander: 2 or v2. v6.1 rerolls parts of v6. */
function version(value: string): number {
  const found = /^v?(\d{1,4}(?:\.\d{1,3})?)$/i.exec(value);
  if (!found) throw new InvalidArgumentError('It is the number of a version, such as 2.');
  return Number(found[1]);
}

/** A whole number above 0, for commander. */
export function positive(value: string): number {
  const number = /^\d+$/.test(value) ? Number(value) : 0;
  if (!(number > 0 && number <= 1_000_000)) throw new InvalidArgumentError('It is a whole number above 0.');
  return number;
}
