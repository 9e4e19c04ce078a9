// SPDX-License-Identifier: MIT
import type { Reporter, StageName } from '../events.ts';
import { linesReporter } from '../report/lines.ts';
import { terminalReporter } from '../report/terminal.ts';

/** A live view on a terminal, plain lines anywhere else. @param stages those that will come, in order */
export function chooseReporter(stages: StageName[], stream: NodeJS.WriteStream = process.stdout): Reporter {
  const write = (line: string) => void stream.write(`${line}\n`);
  return stream.isTTY && !process.env.CI && process.env.TERM !== 'dumb'
    ? terminalReporter(stages, stream)
    : linesReporter(write);
}

export const buildStages: StageName[] = ['base', 'series', 'config', 'kernel', 'image'];
export const testStages: StageName[] = [...buildStages, 'tests'];
export const ciStages: StageName[] = [
  ...([
    'base',
    'series',
    'config',
    'checks',
    'kernel',
    'comparison',
    'elsewhere',
    'image',
    'tests',
    'replays',
  ] as const),
];
