// SPDX-License-Identifier: MIT
import { existsSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { cacheDirectory } from '../context.ts';
import { exits, interrupted, KilnError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { Execution } from '../execution/execution.ts';
import { runTests } from '../execution/schedule.ts';
import type { Built } from '../job/built.ts';
import type { Ask } from '../job/plan.ts';
import { isBad } from '../results/judge.ts';
import { LastVerdicts } from '../results/lastVerdicts.ts';
import { createRunDirectory } from '../results/runDirectory.ts';
import { useCache } from '../util/cache.ts';
import { Changes } from '../util/changes.ts';
import { complain } from '../util/complain.ts';
import { ignoredBy } from '../util/git.ts';
import { plural, several } from '../util/plural.ts';
import { printable } from '../util/printable.ts';
import {
  addBuildOptions,
  addRunOptions,
  type JobOptions,
  outOption,
  readPlan,
  runsDirectory,
} from './ask.ts';
import type { Cli } from './command.ts';
import { chooseReporter, testStages } from './reporter.ts';
import { runPlans, shownPath } from './test.ts';

type WatchOptions = JobOptions & { out?: string; deadline: number };

export function registerWatch({ program, run, signal }: Cli): void {
  addRunOptions(addBuildOptions(program.command('watch')))
    .description('test, and test again whenever a file changes: what the change affects, failed tests first')
    .argument('[suite...]', 'suites, or single tests as suite/test (default: all that the tree can run)')
    .addOption(outOption())
    .addHelpText('after', details)
    .action(run((select: string[], options: WatchOptions) => watchCommand(select, options, signal)));
}

const details = `
Kiln watches the tree of --tree, series and --with that are files or directories, suites and config fragments. After
a change it builds what the change reaches, and runs the tests whose kernel or programs are others than before, and
those that failed. A change in the middle of a run starts over. Files that git ignores do not count.
--deadline limits each run. Ctrl-C ends the watch; the exit code is then 0 if each test passed when it last ran, else 1.

Examples:
  kiln watch --tree . --tests ./mytests
  kiln watch srvfs
  kiln watch --series ./fix --base git:$HOME/linux#v6.12 boot`;

/** `kiln watch`. Returns the exit code. */
async function watchCommand(select: string[], options: WatchOptions, signal: AbortSignal): Promise<number> {
  const { ask } = await readPlan(select, options);
  const places = placesOf(ask);
  await using changes = await Changes.watch(places).catch((cause: Error) => {
    throw new KilnError('infrastructure', `can't watch for changes: ${cause.message}`, {
      hint: 'the kernel limits how many directories a user watches: sysctl fs.inotify.max_user_watches',
      cause,
    });
  });
  const last = new LastVerdicts();
  /** Of the last run that a change or Ctrl-C did not cut short. */
  let hasVerdicts = false;
  for (;;) {
    const cut = new AbortController();
    const change = nextChange(changes, ask, options, signal);
    void change.then(() => cut.abort(interrupted()));
    const code = await testOnce(select, options, last, AbortSignal.any([signal, cut.signal]));
    if (!cut.signal.aborted) {
      hasVerdicts = code === exits.ok || code === exits.testFailed;
      const state = hasVerdicts ? last.describe() : `no verdict: exit code ${code}`;
      say(`${state}. Watching ${several(places.map(shownPath), 4)}; Ctrl-C ends.`);
    }
    const paths = await change;
    if (paths === null) return hasVerdicts && last.allPass ? exits.ok : exits.testFailed;
    say(`changed: ${several(paths.map(shownPath), 3)}`);
  }
}

function say(text: string): void {
  process.stdout.write(`\n${printable(text)}\n`);
}

/** What the job reads that may change: files and directories that exist, absolute, none below another. */
export function placesOf({ base, series, with: added, project, tests, config, configFrom }: Ask): string[] {
  const { patches, guestTests, kernelConfig } = project;
  // A series is a path, or a name in patches/.
  const named = [...(series ?? []), ...added];
  const wanted = [
    ...(base.startsWith('tree:') ? [base.slice('tree:'.length)] : []),
    ...(series === null ? [patches] : []),
    ...named,
    ...named.map((name) => join(patches, name)),
    ...(tests.length > 0 ? tests : guestTests === null ? [] : [guestTests]),
    ...kernelConfig,
    ...config,
    ...(configFrom === null ? [] : [configFrom]),
  ];
  const there = [...new Set(wanted.map((place) => resolve(place)))].filter((place) => existsSync(place));
  return there.filter((place) => !there.some((other) => isBelow(place, other)));
}

function isBelow(path: string, dir: string): boolean {
  return path.startsWith(dir + sep);
}

/** Wait for a change that can affect a test. Returns absolute paths, or null when the watch is to end. */
async function nextChange(
  changes: Changes,
  { base }: Ask,
  options: WatchOptions,
  signal: AbortSignal,
): Promise<string[] | null> {
  const runs = resolve(runsDirectory(options));
  const tree = base.startsWith('tree:') ? base.slice('tree:'.length) : null;
  while (!signal.aborted) {
    const all = await changes.next(signal).catch(() => []);
    const paths = all.filter((path) => path !== runs && !isBelow(path, runs));
    const ignored =
      tree === null
        ? new Set()
        : await ignoredBy(
            tree,
            paths.filter((path) => isBelow(path, tree)),
          );
    const left = paths.filter((path) => !ignored.has(path));
    if (left.length > 0) return left;
  }
  return null;
}

/** One run, of the tests that need it. Returns the exit code; errors are printed. */
async function testOnce(
  select: string[],
  options: WatchOptions,
  last: LastVerdicts,
  signal: AbortSignal,
): Promise<number> {
  const late = new AbortController();
  const limit = setTimeout(() => {
    process.stderr.write(`\nkiln: not done after ${options.deadline} s (--deadline): stopping this run\n`);
    late.abort(interrupted());
  }, options.deadline * 1000);
  const ends = AbortSignal.any([signal, late.signal]);
  const reporter = chooseReporter(testStages);
  try {
    const plans = [await readPlan(select, options)];
    await using _cache = await useCache(cacheDirectory(), ends);
    const run = await createRunDirectory(runsDirectory(options));
    // What a change cut short has no summary: the next run says more.
    const emit: Emit = (event) => {
      if (event.type !== 'run-end' || !signal.aborted) reporter.onEvent(event);
    };
    return (await runPlans(plans, run, new Date(), emit, ends, executeAffected(last, ends))).exit_code;
  } catch (error) {
    return signal.aborted ? exits.interrupted : complain('kiln', error);
  } finally {
    clearTimeout(limit);
    await reporter.close();
  }
}

/** The tests stage: only the tests that have to run, those that failed before the others. */
function executeAffected(last: LastVerdicts, signal: AbortSignal): typeof runTests {
  return async (recorder, built, runDir, execution) => {
    const keys = new Map<string, string>(
      built.run.flatMap(({ suite, tests }) =>
        tests.map(({ name }) => [`${suite.name}/${name}`, keyOf(built, suite.name)] as const),
      ),
    );
    last.keep(new Set(keys.keys()));
    const run = built.run.map((planned) => {
      const isAffected = (name: string) => last.isAffected(name, keys.get(name)!);
      return {
        ...planned,
        tests: planned.tests.filter(({ name }) => isAffected(`${planned.suite.name}/${name}`)),
      };
    });
    const count = run.flatMap(({ tests }) => tests).length;
    if (count < keys.size)
      execution.context.note(
        'info',
        `${count} of ${plural(keys.size, 'test')}: the change does not reach the others`,
      );
    const isFirst: Execution['isFirst'] = ({ suite, test }) => last.failed(`${suite}/${test}`);
    try {
      return await runTests(recorder, { ...built, run }, runDir, { ...execution, isFirst });
    } finally {
      for (const result of recorder.tests) {
        // A test that a change cut short has not failed.
        if (result === undefined || (signal.aborted && isBad(result.verdict))) continue;
        const name = `${result.suite}/${result.test}`;
        last.note(name, keys.get(name)!, result.verdict);
      }
    }
  };
}

/** Identifies what a suite's tests run on: its programs, the kernel and the machine. */
function keyOf({ kernel, image, accelerator, bootWords }: Built, suite: string): string {
  return [kernel.key, image.programs[suite], accelerator.name, bootWords].join(' ');
}
