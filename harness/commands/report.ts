// SPDX-License-Identifier: MIT
import { Option } from 'commander';
import { formats, type ReportName, reportNames } from '../report/index.ts';
import { writePage } from '../report/storePage.ts';
import { loadResults } from '../results/runDirectory.ts';
import { outOption, projectOption, runsDirectory } from './ask.ts';
import type { Cli } from './command.ts';

type ReportOptions = { out?: string; project?: string; format: ReportName; html?: boolean };

export function registerReport({ program, look }: Cli): void {
  program
    .command('report')
    .description('show a finished run again; the exit code is that of the run')
    .argument('[run]', "a run's directory or id", 'latest')
    .addOption(outOption())
    .addOption(projectOption())
    .addOption(
      new Option('--format <form>', 'output format; those after json are for runs of "kiln ci"')
        .choices(reportNames)
        .default('text'),
    )
    .addOption(
      new Option(
        '--html',
        'write report.html into the directory of the run again, and print its path',
      ).conflicts('format'),
    )
    .addHelpText('after', examples)
    .action(look((which: string, options: ReportOptions) => reportCommand(which, options)));
}

const examples = `
Examples:
  kiln report                              the last run, as text
  kiln report 20260102-030405-abcd --html  a page to look at, such as of a run that another Kiln has made
  kiln report --format junit > junit.xml`;

/** `kiln report [RUN]`: a finished run once more. Returns the run's own exit code. */
async function reportCommand(run: string, options: ReportOptions): Promise<number> {
  const { results, dir } = await loadResults(run, runsDirectory(options));
  process.stdout.write(
    options.html ? `${await writePage(results, dir)}\n` : formats[options.format].render(results, dir),
  );
  return results.exit_code;
}
