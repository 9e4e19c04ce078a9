// SPDX-License-Identifier: MIT

import { KilnError } from '../errors.ts';
import { interactiveArgv, machineFor } from '../guest/qemu.ts';
import type { Built } from '../job/built.ts';
import { spawn } from '../util/exec.ts';
import { exists } from '../util/files.ts';
import { addBuildOptions, type JobOptions, readPlan } from './ask.ts';
import { buildQuietly } from './build.ts';
import type { Cli } from './command.ts';
import { type Console, typeCommands } from './console.ts';
import { forkShell } from './shellFork.ts';

const busybox = '/bin/busybox';

export function registerShell({ program, run, signal }: Cli): void {
  addBuildOptions(program.command('shell'))
    .description('start an interactive guest with the kernel and the tests')
    .option('--fork', 'fork the guest from a frozen one instead of booting it')
    .action(run((options: ShellOptions) => shellCommand(options, signal)));
}

type ShellOptions = JobOptions & { fork?: boolean };

/** `kiln shell`: an interactive guest with the kernel and the tests of the job. Its exit ends the guest. */
async function shellCommand(options: ShellOptions, signal: AbortSignal): Promise<number> {
  if (!(await exists(busybox)))
    throw new KilnError('infrastructure', `there is no ${busybox} to pack`, {
      hint: 'install busybox-static',
    });
  const built = await buildQuietly(await readPlan([], options), signal, { busybox });
  const { code, signal: killed } = await (options.fork ? forkShell : bootShell)(built, signal);
  signal.throwIfAborted();
  if (code === 0) return 0;
  throw new KilnError('infrastructure', `QEMU ended with ${killed ?? `exit code ${code}`}`);
}

/** How QEMU ended. */
type Ended = { code: number | null; signal: string | null };

async function bootShell(built: Built, signal: AbortSignal): Promise<Ended> {
  const { rows, columns } = process.stdout;
  const size = process.stdout.isTTY ? ` kiln.winsize=${rows}x${columns}` : '';
  const machine = machineFor({}, built, `loglevel=4 kiln.mode=shell${size}`);
  const [qemu, ...args] = interactiveArgv(machine);
  process.stderr.write('kiln: starting the guest; `exit` or Ctrl-D powers it off\n');
  // On a terminal raw mode is QEMU's to set: the guest gets Ctrl-C, as a serial terminal does.
  const streams = process.stdin.isTTY
    ? { stdio: 'inherit' as const }
    : { stdio: ['pipe', ['pipe', 'inherit'], 'inherit'] as const, buffer: false };
  const child = spawn(qemu!, args, { ...streams, endSignal: 'KILL', all: false, cancelSignal: signal });
  if (!process.stdin.isTTY)
    typeCommands(process.stdin, { screen: child.stdout, keyboard: child.stdin } as Console);
  const result = await child;
  process.stdin.pause();
  return { code: result.exitCode ?? null, signal: result.signal ?? null };
}
