// SPDX-License-Identifier: MIT
import { benchBoot } from '../bench/boot.ts';
import { benchChange, benchWarm } from '../bench/rebuild.ts';
import { KilnError } from '../errors.ts';
import { type JobOptions, readPlan } from './ask.ts';
import { buildQuietly } from './build.ts';

const subjects = ['boot', 'warm', 'change'] as const;

/** `kiln bench`: figures of this machine, compared within one run. One JSON object on stdout. */
export async function benchCommand(
  wanted: string[],
  options: JobOptions & { rounds: number },
  signal: AbortSignal,
): Promise<number> {
  const unknown = wanted.find((name) => !subjects.some((subject) => subject === name));
  if (unknown)
    throw new KilnError('usage', `no bench "${unknown}"`, { hint: `there are: ${subjects.join(', ')}` });
  const chosen = wanted.length > 0 ? wanted : ['boot', 'warm'];
  const built = await buildQuietly(await readPlan([], options), signal);
  const figures: Record<string, unknown> = { accelerator: built.accelerator.name };
  for (const name of chosen) {
    process.stderr.write(`kiln: measuring ${name}\n`);
    if (name === 'boot') figures[name] = await benchBoot(built, options.rounds, signal);
    if (name === 'warm') figures[name] = await benchWarm(Math.min(options.rounds, 5), signal);
    if (name === 'change') figures[name] = await benchChange(built, signal);
  }
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
  return 0;
}
