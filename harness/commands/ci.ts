// SPDX-License-Identifier: MIT
import { copyFile, mkdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { applyAsFar } from '../ci/apply.ts';
import { assembleCi, type CiFacts, exitCodeOf } from '../ci/assemble.ts';
import { boots } from '../ci/changes.ts';
import type { History } from '../ci/checks/fixes.ts';
import { type CheckName, parseFailOn } from '../ci/failOn.ts';
import { readFirst, storeFirst } from '../ci/first.ts';
import { PatchInspector } from '../ci/inspector.ts';
import { findNewLines } from '../ci/newLines.ts';
import { ciPlans, withDebugInfo, withReproducer } from '../ci/plans.ts';
import { runCi } from '../ci/run.ts';
import { askForTouched } from '../ci/touched.ts';
import { touchedSuites } from '../ci/touchedSuites.ts';
import { type Context, cacheDirectory } from '../context.ts';
import { KilnError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { defaultBase, type Plan } from '../job/plan.ts';
import { readPlanned } from '../job/series.ts';
import { readFragments } from '../kernel/config.ts';
import { findToolchain } from '../kernel/toolchain.ts';
import type { FileWish } from '../kernel/touchedConfig.ts';
import { paths } from '../paths.ts';
import { memoryBudget, Pool } from '../pool/pool.ts';
import { assemble } from '../results/assemble.ts';
import { recall } from '../results/history.ts';
import { createRunDirectory, type RunDirectory } from '../results/runDirectory.ts';
import type { Run } from '../run.ts';
import { type Change, checkNames, type Results } from '../schema.ts';
import { readSuite, type Suite } from '../suite/suite.ts';
import { prepareBase } from '../tree/base.ts';
import { type BaseRequest, chooseBase } from '../tree/chooseBase.ts';
import { countPatches, type Tree } from '../tree/tree.ts';
import { useCache } from '../util/cache.ts';
import { several } from '../util/plural.ts';
import { printable } from '../util/printable.ts';
import { scratchDirectory } from '../util/scratch.ts';
import {
  addKernelOptions,
  addRunOptions,
  addSeriesOptions,
  baseSources,
  collect,
  type JobOptions,
  outOption,
  readPlan,
  runsDirectory,
} from './ask.ts';
import { answerB4, type Filled } from './ciB4.ts';
import type { Cli } from './command.ts';
import { chooseReporter, ciStages } from './reporter.ts';
import { runInfo, shownPath, storeResults } from './test.ts';

type CiOptions = Omit<JobOptions, 'base'> & {
  base?: string[];
  repo?: string;
  out?: string;
  deadline: number;
  reproducer?: string;
  debug?: string[] | false;
  failOn?: CheckName[];
  b4Check?: boolean;
  again?: boolean;
};

export function registerCi({ program, run, signal, stopAfter }: Cli): void {
  addRunOptions(addKernelOptions(addSeriesOptions(program.command('ci'))))
    .description('test a series patch by patch against its base, and report what it breaks')
    .argument('[series]', 'the series, in any of the forms of --series of `kiln test`; not with --b4-check')
    .argument('[suite...]', 'suites, or single tests as suite/test (default: all that the tree can run)')
    .option(
      '--base <src>',
      `the kernel source: ${baseSources}; repeat for candidates, the newest first (default: the commit that the series names or was made on, if it is in --repo; else ${defaultBase})`,
      collect,
    )
    .option('--repo <dir>', 'a git repository with the history of Linux, in which Kiln finds the base')
    .option(
      '--reproducer <path>',
      'a C file or a directory of tests that must fail on the base and pass with the series',
    )
    .option(
      '--debug <names>',
      'run base and series also on a kernel with these config fragments (default: kasan,lockdep)',
      (names: string) => names.split(',').filter((name) => name !== ''),
    )
    .option('--no-debug', 'run nothing on a debug kernel')
    .option(
      '--fail-on <checks>',
      `exit code 1 also if these checks of a patch warn, fail or can't be made, such as warnings,checkpatch; the checks: ${checkNames.join(', ')}`,
      parseFailOn,
    )
    .option(
      '--b4-check',
      'read a mail from standard input, test its series, and print the checks of this mail as `b4 review` reads them; progress goes to standard error',
    )
    .option('--again', 'run also tests that ran on the same kernels before')
    .addOption(outOption())
    .addHelpText('after', examples)
    .action(
      run((source: string | undefined, select: string[], options: CiOptions) => {
        stopAfter(options.deadline);
        return options.b4Check
          ? b4Command(source === undefined ? [] : [source, ...select], options, signal)
          : ciCommand(source, select, options, signal);
      }),
    );
}

const examples = `
Each patch is applied, built and booted, and runs the suites that it touches. All tests run on the base and on the whole
series. A test that fails runs again on both kernels, until it is decided whether the series broke it. The probability of
any wrong decision in a run is below 0.1 %.

Exit code:
  0    nothing that worked before fails
  1    see below
  2    usage error or bad input
  3    a patch does not apply
  4    the kernel does not build after a patch
  69   the base fails by itself, or an infrastructure error: nothing is known of the series
  130  interrupted

What makes it exit 1:
  always           a case or test that fails more often with the series than without
                   a splat that the base does not have
                   a new test that fails
                   a test of --reproducer that does not fail on the base, or fails with the series
  with --fail-on   a check of a patch that warns, fails or could not be made: checkpatch, tags, warnings,
                   kernel-doc, elsewhere, boot

Examples:
  kiln ci thread.mbox                             a series from the list
  kiln ci lore:20260101120000.1-1-ann@example.org
  kiln ci ./fix --base git:$HOME/linux#v6.12 --config kasan,lockdep
  kiln ci fix.patch --reproducer bug.c            bug.c must fail on the base and pass with fix.patch
  kiln ci thread.mbox --fail-on warnings,tags     exit code 1 also for new warnings and wrong tags
  kiln ci --b4-check < mail                       for b4: git config b4.review-perpatch-check-cmd 'kiln ci --b4-check'
  kiln ci srvfs srvfs                             one of patches/, with one suite`;

/** `kiln ci`: returns the exit code. */
async function ciCommand(
  source: string | undefined,
  select: string[],
  options: CiOptions,
  signal: AbortSignal,
): Promise<number> {
  if (source === undefined)
    throw new KilnError('usage', 'no series was given', { hint: 'for example: kiln ci thread.mbox' });
  const { results } = await testSeries(source, select, options, process.stdout, signal);
  return results.exit_code;
}

/** `kiln ci --b4-check`. */
async function b4Command(select: string[], options: CiOptions, signal: AbortSignal): Promise<number> {
  const { inbox: _, ...others } = options;
  const test = (source: string, filled: Filled) =>
    testSeries(source, select, { ...others, ...filled }, process.stderr, signal);
  return answerB4(options, select, test, signal);
}

/** @param stream gets the progress and the summary */
async function testSeries(
  source: string,
  select: string[],
  options: CiOptions,
  stream: NodeJS.WriteStream,
  signal: AbortSignal,
): Promise<{ results: Results; dir: string }> {
  await using scratch = await scratchDirectory(tmpdir());
  const reproducer =
    options.reproducer === undefined ? null : await readReproducer(options.reproducer, scratch.path);
  const { base, repo, ...others } = options;
  const asked = withDebugInfo(await readPlan(select, { ...others, series: [source] }));
  const plan = reproducer ? withReproducer(asked, reproducer) : asked;
  await using _cache = await useCache(cacheDirectory(), signal);
  const started = new Date();
  const debug = debugFragments(options.debug, plan.ask.config);
  await readFragments(plan.ask.project.kernelConfig, debug);
  await findToolchain(plan.ask.compiler, signal);
  const prepared = {
    ...(await prepare(plan, { asked: base ?? [], repo: repo ?? null, fallback: defaultBase }, signal)),
    reproducer: reproducer?.name ?? null,
    debug,
    again: options.again ?? false,
    failOn: options.failOn ?? [],
  };
  const run = await createRunDirectory(runsDirectory(options));
  const reporter = chooseReporter(ciStages, stream);
  try {
    return { results: await runSeries(prepared, run, started, reporter.onEvent, signal), dir: run.dir };
  } finally {
    await reporter.close();
  }
}

type Prepared = Pick<CiFacts, 'series' | 'choice' | 'conflict' | 'reproducer' | 'failOn'> & {
  plan: Plan;
  /** The base with all patches that apply, and how many of `series` do. */
  whole: Tree;
  count: number;
  history: History | null;
  /** What the configuration is asked for the touched files. */
  wishes: FileWish[];
  debug: string[];
  again: boolean;
};

/** What has to be known before there are jobs: the series, its base, and how many patches apply. */
async function prepare(
  plan: Plan,
  request: Omit<BaseRequest, 'before'>,
  signal: AbortSignal,
): Promise<Omit<Prepared, 'reproducer' | 'debug' | 'again' | 'failOn'>> {
  const note: Context['note'] = (_, text) => void process.stderr.write(`kiln: ${printable(text)}\n`);
  const context: Context = { cache: cacheDirectory(), signal, progress: () => {}, note };
  const all = await readPlanned(plan, signal);
  const [series, before] = [all.at(-1)!, all.slice(0, -1)];
  const choice = await chooseBase(series, { ...request, before }, context);
  process.stderr.write(`kiln: base ${printable(`${choice.source}: ${choice.reason}`)}\n`);
  const { base } = await prepareBase(choice.source, context);
  const { whole, conflict } = await applyAsFar(base, before, series, context);
  const count = whole.patches.length - countPatches(before);
  const own = /^git:(.+?)(?:#[^#]*)?$/.exec(choice.source)?.[1];
  const gitDir = request.repo ?? own;
  const history = gitDir === undefined ? null : { gitDir, base: own === undefined ? null : base.commit };
  const onBase = { ...plan, ask: { ...plan.ask, base: choice.source } };
  const touched = await askForTouched(onBase, whole, countPatches(before), context);
  const added = touched.files.flatMap(({ options }) => options);
  if (added.length > 0)
    note('info', `config: ${several(added, 20)}, so that the files which the series touches are compiled`);
  return { plan: touched.plan, wishes: touched.files, series, choice, whole, count, conflict, history };
}

/** What earlier runs say of each change. */
async function addPast(changes: Change[], run: string): Promise<void> {
  const past = await recall(cacheDirectory(), changes, run);
  for (const [index, one] of past.entries()) changes[index]!.past = one;
}

/** Those that the run's kernel does not have anyway. */
function debugFragments(asked: string[] | false | undefined, config: readonly string[]): string[] {
  if (asked === false) return [];
  return (asked ?? ['kasan', 'lockdep']).filter((name) => !config.includes(name));
}

/** Read a directory as a suite. A C file becomes a suite with one test. */
async function readReproducer(path: string, scratch: string): Promise<Suite> {
  const info = await stat(path).catch(() => undefined);
  if (!info) throw new KilnError('bad-input', `--reproducer ${path}: there is no such file or directory`);
  if (info.isDirectory()) return readSuite(path);
  if (!path.endsWith('.c'))
    throw new KilnError('bad-input', `--reproducer ${path}: it is neither a C file nor a directory of tests`);
  const dir = join(scratch, 'reproducer');
  await mkdir(dir);
  await copyFile(path, join(dir, basename(path)));
  return readSuite(dir);
}

async function runSeries(
  prepared: Prepared,
  run: RunDirectory,
  started: Date,
  emit: Emit,
  signal: AbortSignal,
): Promise<Results> {
  const { plan, series, choice, whole, count, conflict, history, wishes } = prepared;
  const { reproducer, debug, again, failOn } = prepared;
  const dir = shownPath(run.dir);
  const smoke = await readSuite(join(paths.guestTests, 'boot'));
  const before = whole.patches.length - count;
  const others = plan.suites.filter(({ suite }) => suite.name !== reproducer);
  const touched = (number: number) =>
    touchedSuites(others, whole.patches[before + number - 1]?.files ?? [], wishes);
  const plans = ciPlans(plan, Math.max(count, 1), smoke, debug, touched);
  const debugPlans = plans.debug ? [plans.debug.base, plans.debug.whole] : [];
  const all = count === 0 ? [] : [plans.base, ...plans.steps, ...debugPlans];
  emit({ type: 'run-start', id: run.id, dir, jobs: all.map(({ id }) => id) });
  await using pool = new Pool(plan.ask.jobs, memoryBudget());
  await using home = await scratchDirectory(join(cacheDirectory(), 'scratch'));
  await using inspector = new PatchInspector({ series, whole, before, history, wishes, again }, plans);
  const own: Run = { dir: run.dir, pool, emit, signal, home: home.path, inspector };
  const cache = cacheDirectory();
  const first = await readFirst(cache, series);
  const outcome = count === 0 ? null : await runCi(plans, own, { reproducer, again, first });
  if (outcome) await addPast(outcome.changes, run.id);
  if (outcome && !outcome.isInterrupted && !outcome.base.error && boots(outcome.base)) {
    const note = (text: string) => emit({ type: 'note', job: plans.base.id, level: 'warn', text });
    await storeFirst(cache, series, outcome.changes, note);
  }
  const newLogLines = outcome ? await findNewLines(run.dir, outcome.base, outcome.steps.at(-1)!) : [];
  const facts: CiFacts = {
    ...{ series, choice, conflict, outcome, reproducer, newLogLines, failOn },
    ...{ checks: inspector.checks, files: inspector.files },
  };
  const onDebug = outcome?.debug ? [outcome.debug.base, outcome.debug.whole] : [];
  const outcomes = outcome ? [outcome.base, ...outcome.steps, ...onDebug] : [];
  const results: Results = {
    ...assemble(runInfo(run, started), outcomes),
    exit_code: exitCodeOf(facts),
    ci: assembleCi(facts),
  };
  await storeResults(results, run.dir, emit);
  return results;
}
