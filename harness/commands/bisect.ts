// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import { bisect, type Found } from '../ci/bisect.ts';
import { bisectError, errorOf } from '../ci/bisectEvidence.ts';
import { BisectHistory, type Range, readBisectRange } from '../ci/bisectHistory.ts';
import { type BisectRequest, BisectTester } from '../ci/bisectTester.ts';
import { type Context, cacheDirectory } from '../context.ts';
import { asKilnError, exits, type KilnError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { jobOptions } from '../job/plan.ts';
import { self } from '../paths.ts';
import { memoryBudget, Pool } from '../pool/pool.ts';
import { answerText } from '../report/bisectText.ts';
import { storePage } from '../report/storePage.ts';
import { summaryLines } from '../report/text.ts';
import { assemble } from '../results/assemble.ts';
import { createRunDirectory, type RunDirectory, writeResults } from '../results/runDirectory.ts';
import type { Bisect, BisectCommit, Results } from '../schema.ts';
import { useCache } from '../util/cache.ts';
import { printable } from '../util/printable.ts';
import { quote } from '../util/quote.ts';
import { scratchDirectory } from '../util/scratch.ts';
import {
  addKernelOptions,
  addRunOptions,
  type JobOptions,
  outOption,
  readPlan,
  runsDirectory,
} from './ask.ts';
import type { Cli } from './command.ts';
import { onlyOne } from './repeat.ts';
import { chooseReporter, testStages } from './reporter.ts';
import { runInfo, shownPath } from './test.ts';

type BisectOptions = JobOptions & {
  repo: string;
  case?: string;
  again?: boolean;
  out?: string;
  deadline: number;
};

export function registerBisect({ program, run, signal, stopAfter }: Cli): void {
  addRunOptions(addKernelOptions(program.command('bisect')))
    .description('find the commit with which a test began to fail')
    .argument('<range>', 'GOOD..BAD: the test passes on GOOD and fails on BAD (default for BAD: HEAD)')
    .argument('<test>', 'a test program, as suite/test')
    .option('--repo <dir>', 'the git repository of the range; it is only read', '.')
    .option('--case <name>', 'look only at this case of the test')
    .option('--again', 'run also what was decided before')
    .addOption(outOption())
    .addHelpText('after', examples)
    .action(
      run((range: string, test: string, options: BisectOptions) => {
        stopAfter(options.deadline);
        return bisectCommand(range, test, options, signal);
      }),
    );
}

const examples = `
Git chooses the commits, as in \`git bisect\`. The test runs on each, and on GOOD and BAD, until it is decided which of
them the commit is like: flaky tests do not mislead. The probability that a wrong commit is named is below 0.1 %. A
commit that does not build or boot is skipped. If BAD does not boot, a commit is bad if it does not boot.

Progress goes to stderr, the result to stdout. The same call goes on where an earlier one ended.

Exit code:
  0    the first bad commit was found
  1    one of several commits is it, and those that were skipped can't be told apart
  2    usage; GOOD does not pass, BAD does not fail, or the test does not tell them apart
  4    GOOD or BAD does not build
  69   infrastructure error
  130  interrupted

Examples:
  kiln bisect v6.11..v6.12 timers/posix_timers --tests $HOME/linux/tools/testing/selftests/timers --repo $HOME/linux
  kiln bisect v6.12.. boot/environment            in a clone of Linux
  kiln bisect 1a2b3c4..HEAD net/flood --case flood.many --config kasan`;

/** `kiln bisect`: returns the exit code. */
async function bisectCommand(
  asked: string,
  name: string,
  options: BisectOptions,
  signal: AbortSignal,
): Promise<number> {
  const { repo, case: only, again = false } = options;
  const one = onlyOne(await readPlan([name], { ...options, series: false }), name, 'kiln bisect');
  const [suite, test] = one.name.split('/') as [string, string];
  await using _cache = await useCache(cacheDirectory(), signal);
  const cache = cacheDirectory();
  const note: Context['note'] = (_, text) => void process.stderr.write(`kiln: ${printable(text)}\n`);
  const context: Context = { cache, signal, progress: () => {}, note };
  const range = await readBisectRange(asked, repo, context);
  await using scratch = await scratchDirectory(join(cache, 'scratch'));
  const history = await BisectHistory.start(range, scratch.path, context);
  const started = new Date();
  const run = await createRunDirectory(runsDirectory(options));
  // Stdout is the result's.
  const reporter = chooseReporter(testStages, process.stderr);
  const request: BisectRequest = {
    plan: one.plan,
    suite,
    test,
    case: only ?? null,
    repository: range.repository,
    cache,
    again,
  };
  const command = `cd ${quote(process.cwd())} && ${quote(self)} bisect ${quote(asked)} ${quote(one.name)} --repo ${quote(repo)}${only === undefined ? '' : ` --case ${quote(only)}`}`;
  try {
    const emit = reporter.onEvent;
    emit({ type: 'run-start', id: run.id, dir: shownPath(run.dir), jobs: ['good', 'bad'] });
    const results = await search(
      { request, range, history, commits: await history.count(), again: command + optionsOf(one.plan.ask) },
      run,
      started,
      emit,
      signal,
    );
    await writeResults(run.dir, results);
    await storePage(results, run.dir, (text) => void process.stderr.write(`kiln: ${text}\n`));
    await reporter.close();
    process.stdout.write(`${summaryLines(results, shownPath(run.dir)).join('\n')}\n`);
    return results.exit_code;
  } finally {
    await reporter.close();
  }
}

/** The base is the commit's, and there is no series. */
function optionsOf(ask: Parameters<typeof jobOptions>[0]): string {
  return jobOptions({ ...ask, series: null });
}

type Search = {
  request: BisectRequest;
  range: Range;
  history: BisectHistory;
  commits: number;
  again: string;
};

async function search(
  { request, range, history, commits, again }: Search,
  run: RunDirectory,
  started: Date,
  emit: Emit,
  signal: AbortSignal,
): Promise<Results> {
  await using pool = new Pool(request.plan.ask.jobs, memoryBudget());
  const tester = new BisectTester(request, { dir: run.dir, pool, emit, signal });
  const asked: BisectCommit[] = [];
  let looksFor: Bisect['looks_for'] = null;
  let found: Found | null = null;
  let failure: KilnError | null = null;
  const add = async (
    commit: string,
    job: string,
    answer: Pick<BisectCommit, 'answer' | 'runs' | 'reason'>,
  ) => {
    const one: BisectCommit = { ...(await history.describe(commit)), job, ...answer };
    asked.push(one);
    return one;
  };
  try {
    const ends = await tester.ends(range.good, range.bad, errorOf(1));
    looksFor = ends.looksFor;
    await add(range.good, 'good', { answer: 'good', runs: { ...ends.good.runs }, reason: '' });
    await add(range.bad, 'bad', { answer: 'bad', runs: { ...ends.bad.runs }, reason: ends.bad.detail });
    found = await bisect(
      history,
      (commit, error) => tester.ask(commit, ends, error),
      async ({ commit, answer, runs, why, number, about }) => {
        const job = commit.slice(0, 12);
        const one = await add(commit, job, { answer, runs, reason: printable(why) });
        emit({
          type: 'note',
          job,
          level: 'info',
          text: `step ${number} of about ${about}: ${answerText(one)}: ${one.subject}`,
        });
      },
    );
  } catch (error) {
    failure = asKilnError(signal.aborted ? signal.reason : error);
  }
  const described = await Promise.all((found?.possible ?? []).map((commit) => history.describe(commit)));
  const result: Bisect = {
    ...{ test: `${request.suite}/${request.test}`, case: request.case, repository: range.repository },
    ...{ commits, looks_for: looksFor, asked, found: described },
    ...{ error: bisectError, failure: failure && failureText(failure), again },
  };
  const exitCode = failure?.exitCode ?? (found?.first ? exits.ok : exits.testFailed);
  return { ...assemble(runInfo(run, started), tester.outcomes), exit_code: exitCode, bisect: result };
}

function failureText({ code, message, hint, details }: KilnError): string {
  if (code === 'interrupted') return 'interrupted: the same call goes on from here';
  const output = code === 'infrastructure' && details.output ? `\n${details.output}` : '';
  return `${code}: ${message}${output}${hint ? `\n  ${hint}` : ''}`;
}
