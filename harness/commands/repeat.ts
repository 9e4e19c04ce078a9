// SPDX-License-Identifier: MIT
import { cacheDirectory } from '../context.ts';
import { KilnError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { type RepeatRequest, runRepeats } from '../execution/repeat.ts';
import { jobOptions, type Plan, type PlannedSuite } from '../job/plan.ts';
import { self } from '../paths.ts';
import { memoryBudget, Pool } from '../pool/pool.ts';
import { storePage } from '../report/storePage.ts';
import { assemble } from '../results/assemble.ts';
import { createRunDirectory, type RunDirectory, writeResults } from '../results/runDirectory.ts';
import { Tally } from '../results/tally.ts';
import { runJobs } from '../run.ts';
import type { Repeat, Results } from '../schema.ts';
import type { Test } from '../suite/suite.ts';
import { useCache } from '../util/cache.ts';
import { quote } from '../util/quote.ts';
import {
  addBuildOptions,
  addRunOptions,
  type JobOptions,
  outOption,
  positive,
  readPlan,
  runsDirectory,
} from './ask.ts';
import type { Cli } from './command.ts';
import { chooseReporter, testStages } from './reporter.ts';
import { runInfo, shownPath } from './test.ts';

type RepeatOptions = JobOptions & {
  out?: string;
  deadline: number;
  times: number;
  untilFail?: boolean;
  json?: boolean;
};

export function registerRepeat({ program, run, signal, stopAfter }: Cli): void {
  addRunOptions(addBuildOptions(program.command('repeat')))
    .description('run one test many times, each in a fresh guest, and report how often it fails')
    .argument('<test>', 'a test program, as suite/test')
    .option('--times <n>', 'number of attempts', positive, 100)
    .option('--until-fail', 'start no further attempt after the first failure')
    .option('--json', 'print the result as JSON on stdout, and everything else on stderr')
    .addOption(outOption())
    .addHelpText('after', examples)
    .action(
      run((test: string, options: RepeatOptions) => {
        stopAfter(options.deadline);
        return repeatCommand(test, options, signal);
      }),
    );
}

const examples = `
The run directory has the logs of the first failure. For each further reason (at most 10), it has the logs of one guest.

Examples:
  kiln repeat srvfs/races                             100 times: how often does it fail?
  kiln repeat srvfs/races --times 2000 --until-fail   hunt a rare failure
  kiln repeat srvfs/races --config kasan,lockdep --jobs 8
  kiln repeat srvfs/races --json | jq .rate.high      for a script`;

/** `kiln repeat`: how often does one test fail? Returns the exit code, as `kiln test` has it. */
async function repeatCommand(test: string, options: RepeatOptions, signal: AbortSignal): Promise<number> {
  const { plan, name } = onlyOne(await readPlan([test], options), test);
  await using _cache = await useCache(cacheDirectory(), signal);
  const started = new Date();
  const run = await createRunDirectory(runsDirectory(options));
  // With --json, stdout is the object's alone.
  const reporter = chooseReporter(testStages, options.json ? process.stderr : process.stdout);
  try {
    const request = requestOf(name, plan, options);
    const { results, repeat } = await runPlan(plan, name, request, run, started, reporter.onEvent, signal);
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

async function runPlan(
  plan: Plan,
  name: string,
  request: RepeatRequest,
  run: RunDirectory,
  started: Date,
  emit: Emit,
  signal: AbortSignal,
): Promise<{ results: Results; repeat: Repeat }> {
  const dir = shownPath(run.dir);
  emit({ type: 'run-start', id: run.id, dir, jobs: [plan.id] });
  const tally = new Tally();
  let stopped: Repeat['stopped'] = null;
  await using pool = new Pool(plan.ask.jobs, memoryBudget());
  const outcomes = await runJobs([plan], {
    ...{ dir: run.dir, pool, emit, signal },
    execute: async (recorder, built, runDir, execution) => {
      const result = await runRepeats(request, tally, recorder, built, runDir, execution);
      stopped = result.value;
      return { ...result, value: undefined };
    },
  });
  const { times, again } = request;
  const repeat: Repeat = { test: name, asked: times, ...tally.tallied(), stopped, again };
  const results = { ...assemble(runInfo(run, started), outcomes), repeat };
  await writeResults(run.dir, results);
  await storePage(results, run.dir, (text) => emit({ type: 'note', job: plan.id, level: 'warn', text }));
  emit({ type: 'run-end', results, dir });
  return { results, repeat };
}

/** The plan with the one test that was named (a program without its sections), and its name as `suite/test`. */
export function onlyOne(plan: Plan, asked: string, command = 'kiln repeat'): { plan: Plan; name: string } {
  const nameOf = (planned: PlannedSuite, test: Test) => `${planned.suite.name}/${test.name}`;
  const named = plan.suites.flatMap((planned) => planned.tests.map((test) => nameOf(planned, test)));
  const name = named.length === 1 ? named[0]! : named.find((one) => one === asked);
  if (!name)
    throw new KilnError('usage', `${command} runs one test program, and these are ${named.length}`, {
      hint: `one of: ${named.join(', ')}`,
    });
  const suites = plan.suites.map((planned) => ({
    ...planned,
    tests: planned.tests.filter((test) => nameOf(planned, test) === name),
  }));
  return { plan: { ...plan, suites }, name };
}

function requestOf(
  name: string,
  plan: Plan,
  { times, untilFail = false, jobs }: RepeatOptions,
): RepeatRequest {
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
