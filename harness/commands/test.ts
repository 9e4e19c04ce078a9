// SPDX-License-Identifier: MIT
import { join, relative } from 'node:path';
import { cacheDirectory } from '../context.ts';
import type { Emit } from '../events.ts';
import { runTests } from '../execution/schedule.ts';
import { type Plan, withUniqueIds } from '../job/plan.ts';
import { self, version } from '../paths.ts';
import { memoryBudget, Pool } from '../pool/pool.ts';
import { reportFiles } from '../report/index.ts';
import { storePage } from '../report/storePage.ts';
import { assemble, type RunInfo } from '../results/assemble.ts';
import type { BisectSubject } from '../results/gitBisect.ts';
import { remember } from '../results/history.ts';
import { createRunDirectory, type RunDirectory, writeResults } from '../results/runDirectory.ts';
import { runJobs } from '../run.ts';
import type { Results } from '../schema.ts';
import { useCache } from '../util/cache.ts';
import { writeAtomic } from '../util/files.ts';
import {
  addBuildOptions,
  addRunOptions,
  type JobOptions,
  outOption,
  readPlan,
  runsDirectory,
} from './ask.ts';
import type { Cli } from './command.ts';
import { gitBisectOption, tellGitBisect } from './gitBisect.ts';
import { chooseReporter, testStages } from './reporter.ts';

type TestOptions = JobOptions & { out?: string; deadline: number; gitBisect?: BisectSubject };

export function registerTest({ program, run, signal, stopAfter }: Cli): void {
  addRunOptions(addBuildOptions(program.command('test')))
    .description('apply, build, boot, test and report')
    .argument('[suite...]', 'suites, or single tests as suite/test (default: all that the tree can run)')
    .addOption(outOption())
    .addOption(gitBisectOption())
    .addHelpText('after', examples)
    .action(
      run((select: string[], options: TestOptions) => {
        stopAfter(options.deadline);
        return testCommand(select, options, signal);
      }),
    );
}

const examples = `
Examples:
  kiln test                                     all series of patches/, all suites
  kiln test srvfs --config kasan,lockdep        one suite on a debug kernel
  kiln test srvfs/races --timeout 300           one test program
  kiln test --deadline 3600                     stop after an hour, in a CI job, and report the results so far
  kiln test --series incoming.mbox              a series from the list
  kiln test --series ./fix --base git:$HOME/linux#v6.12
  kiln test --series ./fix --with ioapic-race   the same, with a series of patches/ applied first
  kiln test --no-series --tests ~/linux/tools/testing/selftests/timers
  kiln watch --tree . SUITE                     run again whenever a file changes
  git bisect run kiln test --tree . --git-bisect test SUITE/TEST      (docs/ci.md)`;

/** `kiln test`: from patches to verdicts. Returns the exit code. */
async function testCommand(select: string[], options: TestOptions, signal: AbortSignal): Promise<number> {
  const plans = [await readPlan(select, options)];
  await using _cache = await useCache(cacheDirectory(), signal);
  const started = new Date();
  const run = await createRunDirectory(runsDirectory(options));
  const reporter = chooseReporter(testStages);
  try {
    const results = await runPlans(plans, run, started, reporter.onEvent, signal);
    return options.gitBisect ? tellGitBisect(results, options.gitBisect) : results.exit_code;
  } finally {
    await reporter.close();
  }
}

/** Run jobs as one run: its directory gets the results and the reports. @param execute the tests stage */
export async function runPlans(
  plans: readonly Plan[],
  run: RunDirectory,
  started: Date,
  emit: Emit,
  signal: AbortSignal,
  execute = runTests,
): Promise<Results> {
  const all = withUniqueIds(plans);
  const dir = shownPath(run.dir);
  emit({ type: 'run-start', id: run.id, dir, jobs: all.map(({ id }) => id) });
  const slots = Math.max(...all.map(({ ask }) => ask.jobs));
  await using pool = new Pool(slots, memoryBudget());
  const outcomes = await runJobs(all, { dir: run.dir, pool, emit, signal, execute });
  const results = assemble(runInfo(run, started), outcomes);
  await storeResults(results, run.dir, emit);
  return results;
}

/** At the end of a run: results.json, the reports and the history; then the event. */
export async function storeResults(results: Results, runDir: string, emit: Emit): Promise<void> {
  const dir = shownPath(runDir);
  await writeResults(runDir, results);
  for (const [file, text] of reportFiles(results, dir)) await writeAtomic(join(runDir, file), text);
  const job = results.jobs[0]?.id ?? '';
  const note = (text: string) => emit({ type: 'note', job, level: 'warn', text });
  await storePage(results, runDir, note);
  await remember(cacheDirectory(), results, runDir, note);
  emit({ type: 'run-end', results, dir });
}

/** What results.json says of the call itself. */
export function runInfo({ id }: RunDirectory, started: Date): RunInfo {
  return { id, kiln: version, command: [self, ...process.argv.slice(2)], started, ended: new Date() };
}

/** As short as it can be, for people. */
export function shownPath(dir: string): string {
  const path = relative(process.cwd(), dir);
  return path.startsWith('..') ? dir : path;
}
