// SPDX-License-Identifier: MIT

import { installMissing } from '../host/install.ts';
import { buildPage } from '../page/build.ts';
import type { Cli } from './command.ts';

export function registerSetup({ program, run }: Cli): void {
  program
    .command('setup')
    .description('install what doctor finds missing (Debian and Ubuntu)')
    .action(run(setupCommand));
}

/** `kiln setup`: the host's programs, and the program of report.html. Quiet when nothing is missing. */
async function setupCommand(): Promise<number> {
  const say = (line: string) => void process.stderr.write(`kiln: ${line}\n`);
  await installMissing(say);
  // Everything but the page works without it.
  await buildPage().catch((error: Error) =>
    say(`report.html can't be built, so runs will not have it: ${error.message}`),
  );
  return 0;
}
