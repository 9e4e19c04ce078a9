// SPDX-License-Identifier: MIT
import { installMissing } from '../host/install.ts';

/** `kiln setup`: the host's programs. Quiet when nothing is missing. */
export async function setupCommand(): Promise<number> {
  await installMissing((line) => process.stderr.write(`kiln: ${line}\n`));
  return 0;
}
