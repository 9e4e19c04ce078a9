// SPDX-License-Identifier: MIT
import { quote } from '../util/quote.ts';

/** How many times as long Kiln waits for guests there. Measured: a boot of 120 s was not enough in two of four. */
const patience = '10';

/** A script for sh that runs a command in a directory, with an environment. */
export function commandScript(command: string[], cwd: string, env: NodeJS.ProcessEnv): string {
  const variables = Object.entries({ KILN_PATIENCE: patience, ...env }).filter(
    ([name, value]) => value !== undefined && /^[A-Za-z_]\w*$/.test(name),
  );
  return [
    `cd ${quote(cwd)}`,
    ...variables.map(([name, value]) => `export ${name}=${quote(value!)}`),
    `exec ${command.map(quote).join(' ')}`,
    '',
  ].join('\n');
}
