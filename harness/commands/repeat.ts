// SPDX-License-Identifier: MIT

import { cacheDirectory } from '../context.ts';
import { KilnError } from '../errors.ts';
import { type RepeatWish, runRepeats } from '../execution/repeat.ts';
import { runJob } from '../job/build.ts';
import { jobOptions, type Plan, type PlannedSuite } from '../job/plan.ts';
import { self } from '../paths.ts';
import { createRunDirectory, writeResults } from '../results/runDirectory.ts';
import { Tally } from '../results/tally.ts';
import type { Repeat } from '../schema.ts';
import type { Test } from '../suite/suite.ts';
import { useCache } from '../util/cache.ts';
import { quote } from '../util/quote.ts';
import { type JobOptions, readPlan } from './ask.ts';
import { chooseReporter, testStages } from './reporter.ts';
import { assemble, shownPath } from './test.ts';

export type RepeatOptions = JobOptions & { out: string; times: number; untilFail?: boolean; json?: boolean };

/** `kiln repeat`: how often does one test fail? Returns the exit code, as `kiln test` has it. */
export async function repeatCommand(
  test: string,
  options: RepeatOptions,
  signal: AbortSignal,
): Promise<number> {
  const { plan, name } = onlyOne(await readPlan([test], options), test);
  await using _cache = await useCache(cacheDirectory(), signal);
  const started = new Date();
  const run = await createRunDirectory(options.out);
  // With --json, stdout is the object's alone.
  const reporter = chooseReporter(testStages, options.json ? process.stderr : process.stdout);
  try {
    const dir = shownPath(run.dir);
    reporter.onEvent({ type: 'run-start', id: run.id, dir });
    const wish = wishOf(name, plan, options);
    const tally = new Tally();
    let stopped: Repeat['stopped'] = null;
    const outcome = await runJob(
      plan,
      run.dir,
      reporter.onEvent,
      signal,
      async (line, built, runDir, context) => {
        const result = await runRepeats(wish, tally, line, built, runDir, context);
        stopped = result.value;
        return { ...result, value: undefined };
      },
    );
    const repeat: Repeat = { test: name, asked: wish.times, ...tally.tallied(), stopped, again: wish.again };
    const results = { ...assemble(run, started, outcome), repeat };
    await writeResults(run.dir, results);
    reporter.onEvent({ type: 'run-end', results, dir });
    if (options.json) {
      const { exit_code, duration_ms, jobs } = results;
      const object = { ...repeat, exit_code, duration_ms, dir: run.dir, error: jobs[0]!.error };
      process.stdout.write(`${JSON.stringify(object, null, 2)}\n`);
    }
    return results.exit_code;
  } finally {
    await reporter.close();
  }
}

/** The plan with the one test that was named (a program without its sections), and its name as `suite/test`. */
function onlyOne(plan: Plan, asked: string): { plan: Plan; name: string } {
  const nameOf = (planned: PlannedSuite, test: Test) => `${planned.suite.name}/${test.name}`;
  const named = plan.suites.flatMap((planned) => planned.tests.map((test) => nameOf(planned, test)));
  const name = named.length === 1 ? named[0]! : named.find((one) => one === asked);
  if (!name)
    throw new KilnError('usage', `kiln repeat runs one test program, and these are ${named.length}`, {
      hint: `one of: ${named.join(', ')}`,
    });
  const suites = plan.suites.map((planned) => ({
    ...planned,
    tests: planned.tests.filter((test) => nameOf(planned, test) === name),
  }));
  return { plan: { ...plan, suites }, name };
}

function wishOf(name: string, plan: Plan, { times, untilFail = false, jobs }: RepeatOptions): RepeatWish {
  const words = [
    `${quote(self)} repeat ${name} --times ${times}`,
    ...(untilFail ? ['--until-fail'] : []),
    // How busy the machine is has its part in a race.
    ...(jobs === undefined ? [] : [`--jobs ${jobs}`]),
  ];
  return {
    times,
    untilFail,
    again: `cd ${quote(process.cwd())} && ${words.join(' ')}${jobOptions(plan.ask)}`,
  };
}
