// SPDX-License-Identifier: MIT

import { renderJson } from '../report/json.ts';
import { renderJunit } from '../report/junit.ts';
import { renderKtap } from '../report/ktap.ts';
import { summaryLines, testLine } from '../report/text.ts';
import { loadResults } from '../results/runDirectory.ts';

export type ReportFormat = 'text' | 'ktap' | 'junit' | 'json';

/** `kiln report [RUN]`: a finished run once more. Returns the run's own exit code. */
export async function reportCommand(
  run: string,
  options: { out: string; format: ReportFormat },
): Promise<number> {
  const { results, dir } = await loadResults(run, options.out);
  if (options.format === 'ktap') process.stdout.write(renderKtap(results));
  else if (options.format === 'junit') process.stdout.write(renderJunit(results));
  else if (options.format === 'json') process.stdout.write(renderJson(results));
  else
    process.stdout.write(`${[...results.tests.map(testLine), ...summaryLines(results, dir)].join('\n')}\n`);
  return results.exit_code;
}
