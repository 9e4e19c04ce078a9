// SPDX-License-Identifier: MIT
// argv → command → exit code. Only this file sets an exit code and catches what a command throws.
import { Command } from 'commander';
import { refuseTilde } from './commands/ask.ts';
import { registerBench } from './commands/bench.ts';
import { registerBisect } from './commands/bisect.ts';
import { registerBuild } from './commands/build.ts';
import { registerCi } from './commands/ci.ts';
import { registerClean } from './commands/clean.ts';
import type { Action, Cli } from './commands/command.ts';
import { registerDoctor } from './commands/doctor.ts';
import { endForGitBisect } from './commands/gitBisect.ts';
import { registerHistory } from './commands/history.ts';
import { registerInit } from './commands/init.ts';
import { registerList } from './commands/list.ts';
import { registerMutants } from './commands/mutants.ts';
import { registerRepeat } from './commands/repeat.ts';
import { registerReport } from './commands/report.ts';
import { registerSeries } from './commands/series.ts';
import { registerSetup } from './commands/setup.ts';
import { registerShell } from './commands/shell.ts';
import { registerTest } from './commands/test.ts';
import { registerWatch } from './commands/watch.ts';
import { exits, interrupted, KilnError } from './errors.ts';
import { readPatience } from './limits.ts';
import { version } from './paths.ts';
import { complain } from './util/complain.ts';

/** In the order in which --help lists them. */
const commands = [
  registerTest,
  registerWatch,
  registerCi,
  registerBisect,
  registerRepeat,
  registerMutants,
  registerBuild,
  registerShell,
  registerSeries,
  registerList,
  registerReport,
  registerHistory,
  registerInit,
  registerDoctor,
  registerSetup,
  registerBench,
  registerClean,
];

const stop = new AbortController();
/** Whether the running command has something to tear down when a signal arrives. */
let isStoppable = false;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    // A second signal skips the teardown.
    if (stop.signal.aborted || !isStoppable) process.exit(exits.interrupted);
    process.stderr.write('\nkiln: stopping; once more to stop at once\n');
    stop.abort(interrupted());
  });
}
/** Stop the run after so many seconds, with its teardown. */
function stopAfter(seconds: number): void {
  const end = () => {
    process.stderr.write(`\nkiln: not done after ${seconds} s (--deadline): stopping\n`);
    stop.abort(interrupted());
  };
  setTimeout(end, seconds * 1000).unref();
}
// `kiln list | head` closes the pipe, which is no error. A run whose output has no reader stops, with its
// teardown.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  stop.abort(
    error.code === 'EPIPE' ? interrupted() : new KilnError('infrastructure', `can't write: ${error.message}`),
  );
});
process.stderr.on('error', () => {});
// By default Node exits with 1, which Kiln reserves for failed tests.
process.on('uncaughtException', (error) => process.exit(endWith(error)));

async function main(argv: string[]): Promise<number> {
  let exitCode: number = exits.ok;
  // commander discards what an action returns, so each action stores its exit code here.
  const look: Cli['look'] =
    <A extends unknown[]>(action: Action<A>) =>
    async (...args: A) => {
      exitCode = await action(...args);
    };
  const run: Cli['run'] = (action) =>
    look((...args) => {
      isStoppable = true;
      return action(...args);
    });
  const program = new Command('kiln')
    .description('Tests Linux kernel patch series in QEMU: from patches to verdicts.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(kiln COMMAND --help shows the options and examples)')
    .addHelpText('after', exitCodes);
  for (const register of commands) await register({ program, signal: stop.signal, run, look, stopAfter });
  refuseTilde(argv.slice(2));
  readPatience();
  await program.parseAsync(argv);
  return exitCode;
}

const exitCodes = `
Exit codes: 0 all as expected, 1 a test failed, 2 usage or bad input, 3 a patch does not apply,
4 does not build or a config symbol is missing, 69 infrastructure error, 130 interrupted.`;

/** The exit code after an error. */
function endWith(error: unknown): number {
  return endForGitBisect(process.argv, complain('kiln', stop.signal.aborted ? stop.signal.reason : error));
}

try {
  process.exitCode = await main(process.argv);
} catch (error) {
  process.exitCode = endWith(error);
}
