// SPDX-License-Identifier: MIT

import { installMissing } from '../host/install.ts';
import type { Cli } from './command.ts';

export function registerSetup({ program, run }: Cli): void {
  program
    .command('setup')
    .description('install what doctor finds missing (Debian and Ubuntu)')
    .action(run(setupCommand));
}

/** `kiln setup`: the host's programs. Quiet when nothing is missing. */
async function setupCommand(): Promise<number> {
  await installMissing((line) => process.stderr.write(`kiln: ${line}\n`));
  return 0;
}
