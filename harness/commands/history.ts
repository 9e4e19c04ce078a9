// SPDX-License-Identifier: MIT
import { cacheDirectory } from '../context.ts';
import { KilnError } from '../errors.ts';
import { historyLines, historyTable } from '../report/historyText.ts';
import { History, isDamaged, type PastRun } from '../results/history.ts';
import { testHistories } from '../results/testHistory.ts';
import { several } from '../util/plural.ts';
import type { Cli } from './command.ts';

export function registerHistory({ program, look }: Cli): void {
  program
    .command('history')
    .description('show what tests did in earlier runs: since when, how often they fail, what became slower')
    .argument('[test]', 'a test as suite/test, or a suite (default: all tests)')
    .addHelpText('after', examples)
    .action(look((test: string | undefined) => historyCommand(test)));
}

const examples = `
Each run of kiln test and kiln ci adds its tests to a history in the cache. kiln repeat, kiln bisect and kiln mutants do
not, because they run tests that are known to fail. The history decides nothing.

A test is flaky if it fails and passes on the same kernel. A test is slower since a kernel if it takes at least 5 %
longer on this kernel and later ones than on those before it, and if chance explains the difference with p < 0.1 %. A
rank-sum test decides this, for kernels with the same config and accelerator. Runs of one hour are one sample, because a
busy host slows them all.

Examples:
  kiln history                 a line for each test, flaky ones first
  kiln history srvfs/races     all about one test: its kernels, failures and times
  kiln clean --older 30        forget runs of more than 30 days ago, too`;

/** `kiln history [TEST]`: prints what the history of the cache has; exit code 0. */
async function historyCommand(asked: string | undefined): Promise<number> {
  const [suite = null, test = null, ...rest] = asked?.split('/') ?? [];
  if (rest.length > 0 || suite === '' || test === '')
    throw new KilnError('usage', `${asked} is neither a suite nor a test`, {
      hint: 'for example: kiln history srvfs/races',
    });
  const histories = testHistories(await pastRuns(suite, test));
  const lines = test === null ? historyTable(histories) : historyLines(histories[0]!);
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

/** Throws if there are none. */
async function pastRuns(suite: string | null, test: string | null): Promise<PastRun[]> {
  try {
    using history = await History.look(cacheDirectory());
    const runs = history?.runs({ suite, test }) ?? [];
    if (runs.length > 0) return runs;
    const known = suite === null ? [] : (history?.runs({ suite: null, test: null }) ?? []);
    throw nothingOf(suite, test, known);
  } catch (error) {
    if (error instanceof KilnError) throw error;
    const message = (error as Error).message;
    throw new KilnError('infrastructure', `the history of tests can't be read: ${message}`, {
      hint: isDamaged(error)
        ? 'it is damaged: the next run puts it aside and begins a new one'
        : 'if another run writes into it, try again',
      cause: error,
    });
  }
}

function nothingOf(suite: string | null, test: string | null, known: readonly PastRun[]): KilnError {
  if (suite === null || known.length === 0)
    return new KilnError('bad-input', 'the history has no runs', {
      hint: 'kiln test and kiln ci add the tests that they run',
    });
  const same = known.filter((one) => one.suite === suite);
  const names = same.length > 0 ? same.map((one) => `${suite}/${one.test}`) : known.map((one) => one.suite);
  return new KilnError(
    'bad-input',
    `the history has no run of ${test === null ? suite : `${suite}/${test}`}`,
    {
      hint: `it has ${several([...new Set(names)].sort(), 12)}`,
    },
  );
}
