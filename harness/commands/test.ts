// SPDX-License-Identifier: MIT
import { join, relative } from 'node:path';
import { cacheDirectory } from '../context.ts';
import { EXIT, type KilnError } from '../errors.ts';
import { type JobOutcome, runJob } from '../job/build.ts';
import { self, version } from '../paths.ts';
import { renderJunit } from '../report/junit.ts';
import { renderKtap } from '../report/ktap.ts';
import { createRunDirectory, type RunDirectory, writeResults } from '../results/runDirectory.ts';
import { countVerdicts, RESULTS_VERSION, type Results } from '../schema.ts';
import { useCache } from '../util/cache.ts';
import { writeAtomic } from '../util/files.ts';
import { type JobOptions, readPlan } from './ask.ts';
import { chooseReporter, testStages } from './reporter.ts';

/** `kiln test`: from patches to verdicts. Returns the exit code. */
export async function testCommand(
  select: string[],
  options: JobOptions & { out: string },
  signal: AbortSignal,
): Promise<number> {
  const plan = await readPlan(select, options);
  await using _cache = await useCache(cacheDirectory(), signal);
  const started = new Date();
  const run = await createRunDirectory(options.out);
  const reporter = chooseReporter(testStages);
  try {
    const shown = shownPath(run.dir);
    reporter.onEvent({ type: 'run-start', id: run.id, dir: shown });
    const outcome = await runJob(plan, run.dir, reporter.onEvent, signal);
    const results = assemble(run, started, outcome);
    await writeReports(run.dir, results);
    reporter.onEvent({ type: 'run-end', results, dir: shown });
    return results.exit_code;
  } finally {
    await reporter.close();
  }
}

/** As short as it can be, for people. */
export function shownPath(dir: string): string {
  const path = relative(process.cwd(), dir);
  return path.startsWith('..') ? dir : path;
}

export function assemble(run: RunDirectory, started: Date, { job, tests, error }: JobOutcome): Results {
  const isOurs = error?.code === 'infrastructure';
  return {
    schema: RESULTS_VERSION,
    kiln: version,
    id: run.id,
    started: started.toISOString(),
    duration_ms: Date.now() - started.getTime(),
    exit_code: exitCode(tests, error),
    command: [self, ...process.argv.slice(2)],
    summary: {
      ...countVerdicts(tests.map(({ verdict }) => verdict)),
      cases: countVerdicts(tests.flatMap(({ cases }) => cases.map(({ verdict }) => verdict))),
    },
    jobs: [job],
    tests,
    errors: isOurs ? [{ code: error.code, message: error.message }] : [],
  };
}

/** What stopped the job decides; then a failure, which is certain; then what could not be found out. */
function exitCode(tests: JobOutcome['tests'], error: KilnError | null): number {
  if (error) return error.exitCode;
  const has = (...verdicts: string[]) => tests.some(({ verdict }) => verdicts.includes(verdict));
  if (has('fail', 'timeout', 'crash')) return EXIT.testFailed;
  if (has('error')) return EXIT.infrastructure;
  return EXIT.ok;
}

async function writeReports(dir: string, results: Results): Promise<void> {
  await writeResults(dir, results);
  await writeAtomic(join(dir, 'junit.xml'), renderJunit(results));
  await writeAtomic(join(dir, 'results.ktap'), renderKtap(results));
}
