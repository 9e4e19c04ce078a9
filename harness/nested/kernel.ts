// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import { KilnError } from '../errors.ts';
import { paths } from '../paths.ts';
import { spawn } from '../util/exec.ts';

/**
 * Build the machine's kernel, or find it in the cache: Debian's with the fix without which a boot can fail, and the
 * configuration of a suite. Returns its directory. Progress goes to stderr.
 */
export async function buildL1(signal: AbortSignal): Promise<string> {
  const args = ['build', '--series', 'ioapic-race', '--tests', join(paths.fixtures, 'l1')];
  signal.throwIfAborted();
  const { exitCode, stdout } = await spawn(join(paths.root, 'bin', 'kiln'), args, {
    cwd: paths.root,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
    all: false,
    cancelSignal: signal,
  });
  signal.throwIfAborted();
  if (exitCode === 0) return String(stdout).trim().split('\n').at(-1)!;
  throw new KilnError('infrastructure', `the kernel of the machine was not built (exit code ${exitCode})`, {
    hint: `bin/kiln ${args.join(' ')}`,
  });
}
