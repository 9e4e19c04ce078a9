// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import { KilnError } from '../errors.ts';
import { interactiveArgv, machineFor } from '../guest/machine.ts';
import { type Child, spawn } from '../util/exec.ts';
import { exists } from '../util/files.ts';
import { type JobOptions, readPlan } from './ask.ts';
import { buildQuietly } from './build.ts';

const busybox = '/bin/busybox';
/** The agent's, in shell mode (images/agent/shell.c). */
const prompt = 'guest# ';

/** `kiln shell`: an interactive guest with the kernel and the tests of the job. Its exit ends the guest. */
export async function shellCommand(options: JobOptions, signal: AbortSignal): Promise<number> {
  if (!(await exists(busybox)))
    throw new KilnError('infrastructure', `there is no ${busybox} to pack`, {
      hint: 'install busybox-static',
    });
  const built = await buildQuietly(await readPlan([], options), signal, { busybox });
  const { rows, columns } = process.stdout;
  const size = process.stdout.isTTY ? ` kiln.winsize=${rows}x${columns}` : '';
  const machine = machineFor(
    {},
    {
      accelerator: built.accelerator,
      kernel: join(built.kernel.dir, 'vmlinux'),
      initrd: built.image.path,
      append: `loglevel=4 kiln.mode=shell${size}`,
    },
  );
  const argv = interactiveArgv(machine);
  process.stderr.write('kiln: starting the guest; `exit` or Ctrl-D powers it off\n');
  const result = process.stdin.isTTY ? await onTerminal(argv, signal) : await fromPipe(argv, signal);
  if (result.exitCode === 0) return 0;
  throw new KilnError('infrastructure', `QEMU ended with ${result.signal ?? `exit code ${result.exitCode}`}`);
}

/** Raw mode is QEMU's to set: the guest gets Ctrl-C, as a serial terminal does. */
function onTerminal(argv: string[], signal: AbortSignal): Child {
  return spawn(argv[0]!, argv.slice(1), {
    endSignal: 'KILL',
    stdio: 'inherit',
    all: false,
    cancelSignal: signal,
  });
}

/** A serial port that nobody reads yet loses what comes: commands in a pipe wait for the guest's prompt. */
function fromPipe(argv: string[], signal: AbortSignal): Child {
  const child = spawn(argv[0]!, argv.slice(1), {
    endSignal: 'KILL',
    stdin: 'pipe',
    stdout: ['pipe', 'inherit'],
    stderr: 'inherit',
    buffer: false,
    all: false,
    cancelSignal: signal,
  });
  let seen = '';
  const waitForPrompt = (chunk: Buffer) => {
    seen = `${seen}${chunk.toString('latin1')}`.slice(-4096);
    if (!seen.includes(prompt)) return;
    child.stdout?.off('data', waitForPrompt);
    child.stdout?.resume();
    process.stdin.pipe(child.stdin!);
  };
  child.stdout?.on('data', waitForPrompt);
  return child;
}
