// SPDX-License-Identifier: MIT
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { paths } from '../paths.ts';
import { type Results, readResults } from '../schema.ts';
import { spawn } from '../util/exec.ts';

/** A run of kiln; `wall`: milliseconds of host time. `at`: of each line of its output, since its start. */
export type TimedRun = { results: Results; wall: number; lines: { text: string; at: number }[] };

/** Run kiln with a temporary run directory. Throws unless its exit code is 0. */
export async function timeKiln(
  args: string[],
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<TimedRun> {
  const out = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  try {
    const started = performance.now();
    const child = spawn(join(paths.root, 'bin', 'kiln'), [...args, '--out', out], {
      env,
      stdin: 'ignore',
      cancelSignal: signal,
    });
    const lines: TimedRun['lines'] = [];
    for await (const line of child.iterable({ from: 'all' }))
      lines.push({ text: String(line), at: performance.now() - started });
    const { exitCode } = await child;
    const wall = performance.now() - started;
    const said = lines.map(({ text }) => text).join('\n');
    if (exitCode !== 0) throw new Error(`kiln ${args.join(' ')} failed:\n${said}`);
    return { results: readResults(await readFile(join(out, 'latest', 'results.json'), 'utf8')), wall, lines };
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}
