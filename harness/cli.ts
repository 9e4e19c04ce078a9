// SPDX-License-Identifier: MIT
// argv → command → exit code. The only place that sets an exit code, and the one catch.
import { Command, CommanderError, Option } from 'commander';
import { addBuildOptions, addRunOptions, collect, jobsOption, positive } from './commands/ask.ts';
import { benchCommand } from './commands/bench.ts';
import { buildCommand } from './commands/build.ts';
import { cleanCommand } from './commands/clean.ts';
import { doctorCommand } from './commands/doctor.ts';
import { listCommand } from './commands/list.ts';
import { repeatCommand } from './commands/repeat.ts';
import { reportCommand } from './commands/report.ts';
import { setupCommand } from './commands/setup.ts';
import { shellCommand } from './commands/shell.ts';
import { testCommand } from './commands/test.ts';
import { asKilnError, EXIT, interrupted, KilnError } from './errors.ts';
import { version } from './paths.ts';
import { printable } from './util/printable.ts';

const stop = new AbortController();
/** Whether the command that runs tears down when it is told to stop; others have nothing to tear down. */
let isStoppable = false;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    // A second time is for whoever does not want to wait for the teardown.
    if (stop.signal.aborted || !isStoppable) process.exit(EXIT.interrupted);
    process.stderr.write('\nkiln: stopping; once more to stop at once\n');
    stop.abort(interrupted());
  });
}
/** End the run in order after so many seconds. */
function stopAfter(seconds: number): void {
  const end = () => {
    process.stderr.write(`\nkiln: not done after ${seconds} s (--deadline): stopping\n`);
    stop.abort(interrupted());
  };
  setTimeout(end, seconds * 1000).unref();
}
// `kiln list | head` closes the pipe on us, which is no error; a run whose words reach nobody is stopped in order.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  stop.abort(
    error.code === 'EPIPE' ? interrupted() : new KilnError('infrastructure', `can't write: ${error.message}`),
  );
});
process.stderr.on('error', () => {});
// Node's own exit code for these is 1, which is for tests that fail.
process.on('uncaughtException', (error) => process.exit(complain(error)));

async function main(argv: string[]): Promise<number> {
  let exitCode: number = EXIT.ok;
  /** Wraps a command: commander drops what an action returns. */
  const run =
    <A extends unknown[]>(command: (...args: A) => Promise<number>) =>
    async (...args: A) => {
      isStoppable = true;
      exitCode = await command(...args);
    };
  const look: Run =
    (command) =>
    async (...args) => {
      exitCode = await command(...args);
    };
  await program(run, look).parseAsync(argv);
  return exitCode;
}

type Run = <A extends unknown[]>(command: (...args: A) => Promise<number>) => (...args: A) => Promise<void>;

function program(run: Run, look: Run): Command {
  const kiln = new Command('kiln')
    .description('Tests Linux kernel patch series in QEMU: from patches to verdicts.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(kiln COMMAND --help shows the options and examples)')
    .addHelpText('after', exitCodes);

  addRunOptions(addBuildOptions(kiln.command('test')))
    .description('apply, build, boot, test and report')
    .argument('[suite...]', 'suites, or single tests as suite/test (default: all that the tree can run)')
    .addOption(outOption())
    .addHelpText('after', testExamples)
    .action(
      run((select, options) => {
        stopAfter(options.deadline);
        return testCommand(select, options, stop.signal);
      }),
    );

  addRunOptions(addBuildOptions(kiln.command('repeat')))
    .description('run one test many times, each in a fresh guest, and say how often it fails')
    .argument('<test>', 'a test program, as suite/test')
    .option('--times <n>', 'how often', positive, 100)
    .option('--until-fail', 'start no more after the first failure')
    .option('--json', 'what was found as one JSON object on stdout, all else on stderr')
    .addOption(outOption())
    .addHelpText('after', repeatExamples)
    .action(
      run((test, options) => {
        stopAfter(options.deadline);
        return repeatCommand(test, options, stop.signal);
      }),
    );

  addBuildOptions(kiln.command('build'))
    .description('build the kernel and the tests; prints the directory of the kernel')
    .action(run((options) => buildCommand(options, stop.signal)));

  addBuildOptions(kiln.command('shell'))
    .description('an interactive guest with the kernel and the tests')
    .option('--fork', 'fork it from a frozen guest, which the first time makes; else it is booted')
    .action(run((options) => shellCommand(options, stop.signal)));

  kiln
    .command('list')
    .description('show suites, series and config fragments')
    .option('--json', 'for programs')
    .option(
      '--tests <dir>',
      'a directory of tests instead of the default suites; repeat for several',
      collect,
    )
    .action(look((options) => listCommand(options)));

  kiln
    .command('report')
    .description("show a finished run again; exits with that run's exit code")
    .argument('[run]', "a run's directory or id", 'latest')
    .addOption(outOption())
    .addOption(new Option('--format <form>').choices(['text', 'ktap', 'junit', 'json']).default('text'))
    .action(look((which, options) => reportCommand(which, options)));

  kiln
    .command('doctor')
    .description('say what this machine has and lacks; exits 0 if a run can work')
    .option('--json', 'for programs')
    .action(run((options) => doctorCommand(options, stop.signal)));

  kiln
    .command('setup')
    .description('install what doctor finds missing (Debian and Ubuntu)')
    .action(run(() => setupCommand()));

  addBuildOptions(kiln.command('bench'))
    .description('measure what Kiln costs on this machine')
    .argument(
      '[subject...]',
      'boot, warm (default: both); restore; fork (minutes: it boots a hundred guests); liveupdate; msharefs; change (a cold build)',
    )
    .option('--rounds <n>', 'how often', positive, 10)
    .option('--full', 'msharefs: 1 GiB in 64 processes (many minutes)')
    .option('--plot <file>', 'liveupdate, msharefs: a picture of it, as SVG')
    .option('--json', 'for programs')
    .addOption(jobsOption())
    .action(run((subjects, options) => benchCommand(subjects, options, stop.signal)));

  kiln
    .command('clean')
    .description('empty the cache')
    .option('--builds', 'kernels and images only: the sources and ccache stay')
    .option('--dry-run', 'only say what would go')
    .action(run((options) => cleanCommand(options, stop.signal)));

  return kiln;
}

function outOption(): Option {
  return new Option('--out <dir>', 'where run directories are: DIR/<id> and DIR/latest').default('runs');
}

const testExamples = `
Examples:
  kiln test                                     all series of patches/, all suites
  kiln test srvfs --config kasan,lockdep        one suite on a debug kernel
  kiln test srvfs/races --timeout 300           one test program
  kiln test --deadline 3600                     what is known after an hour, in a CI job
  kiln test --series incoming.mbox              a series from the list
  kiln test --series ./fix --base git:$HOME/linux#v6.12
  kiln test --no-series --tests ~/linux/tools/testing/selftests/timers`;

const repeatExamples = `
Kept are the logs of the first failure, and of the first guest with each other reason; "kiln report" shows it again.

Examples:
  kiln repeat srvfs/races                             100 times: how often does it fail?
  kiln repeat srvfs/races --times 2000 --until-fail   hunt a rare failure
  kiln repeat srvfs/races --config kasan,lockdep --jobs 8
  kiln repeat srvfs/races --json | jq .rate.high      for a script`;

const exitCodes = `
Exit codes: 0 all as expected, 1 a test failed, 2 usage or bad input, 3 a patch does not apply,
4 does not build or a config symbol is missing, 69 trouble of Kiln's or the machine's, 130 interrupted.`;

function complain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const known = asKilnError(stop.signal.aborted ? stop.signal.reason : error);
  process.stderr.write(`kiln: ${printable(known.message)}\n`);
  if (known.details.output && known.code === 'infrastructure')
    process.stderr.write(`${printable(known.details.output).replace(/^/gm, '  ')}\n`);
  if (known.hint) process.stderr.write(`  ${known.hint}\n`);
  if (process.env.KILN_DEBUG) console.error(error);
  return known.exitCode;
}

try {
  process.exitCode = await main(process.argv);
} catch (error) {
  process.exitCode = complain(error);
}
