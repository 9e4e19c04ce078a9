// SPDX-License-Identifier: MIT
// Before a hung guest is killed, its state is recorded: QEMU reports the processors, then the kernel reports its tasks
// by SysRq. QEMU comes first, because SysRq changes what the processors do.
import { setTimeout } from 'node:timers/promises';
import { limits } from '../limits.ts';
import { plural } from '../util/plural.ts';
import * as arch from './arch/x86_64.ts';
import type { Guest } from './guest.ts';
import { type KernelText, openKernelText } from './kernelText.ts';
import {
  brief,
  locate,
  type Processor,
  type ProcessorState,
  readProcessors,
  readWords,
  wordsAbove,
} from './processors.ts';
import { stateOf } from './steal.ts';

/** The state of a guest that hangs. */
export type Hang = {
  /** The full report. Contains raw output of the guest's kernel. */
  report: Buffer;
  /** A line for each processor. */
  processors: string[];
  /** Why the guest is not to blame; null if it may be. */
  trouble: string | null;
};

/** Bytes recorded of the answer to one key. */
const maxAnswer = 512 * 1024;

/**
 * SysRq keys, see the kernel's Documentation/admin-guide/sysrq.rst. `l` comes last: it waits for processors that may
 * not answer, and the kernel takes no further key meanwhile.
 */
const questions = [
  ['w', 'tasks that are blocked'],
  ['t', 'all tasks'],
  ['l', 'the backtrace of each processor that is busy'],
] as const;

/**
 * Record the state of a guest that hangs. The guest runs on afterwards. Never throws.
 * @param kernelDir the directory of its kernel, for symbol names
 */
export async function examine(guest: Guest, kernelDir: string): Promise<Hang> {
  const parts: Buffer[] = [];
  const hang: Hang = { report: Buffer.alloc(0), processors: [], trouble: null };
  const over = new AbortController();
  const write = (text: string | Buffer) => void (over.signal.aborted || parts.push(Buffer.from(text)));
  const late = setTimeout(limits.hang, undefined, { signal: over.signal }).then(
    () => write('\n[the questions end here: it takes too long]\n'),
    () => {},
  );
  await Promise.race([ask(guest, kernelDir, hang, write), late]);
  over.abort();
  return { ...hang, report: Buffer.concat(parts) };
}

async function ask(
  guest: Guest,
  kernelDir: string,
  hang: Hang,
  write: (text: string | Buffer) => void,
): Promise<void> {
  hang.trouble = await troubleOfQemu(guest);
  if (hang.trouble) return write(`${hang.trouble}\n`);
  try {
    hang.processors = await askQemu(guest, kernelDir, write);
    await askKernel(guest, write);
  } catch (error) {
    write(`\n[the questions end here: ${(error as Error).message}]\n`);
  }
}

/** Why QEMU does not run the guest; null if it does. */
async function troubleOfQemu({ pid, qmp }: Guest): Promise<string | null> {
  if (/^[Tt]/.test(stateOf(pid))) return 'QEMU was stopped by a signal or a debugger';
  try {
    const { status } = (await qmp.execute('query-status', {}, limits.qemu)) as { status: string };
    return status === 'running' ? null : `QEMU does not run the guest: ${status}`;
  } catch (error) {
    return `QEMU's monitor is mute: ${(error as Error).message}`;
  }
}

/** Stop the guest, read its processors' registers and stacks, and let it run on. Returns a line for each processor. */
async function askQemu(guest: Guest, kernelDir: string, write: (text: string) => void): Promise<string[]> {
  const kernel = await openKernelText(kernelDir).catch(() => null);
  const monitor = async (command: string, cpu = 0) =>
    String(
      await guest.qmp.execute(
        'human-monitor-command',
        { 'command-line': command, 'cpu-index': cpu },
        limits.qemu,
      ),
    );
  try {
    await guest.qmp.execute('stop', {}, limits.qemu);
    const registers = await monitor('info registers -a');
    const found: [Processor, ProcessorState][] = [];
    for (const processor of readProcessors(registers))
      found.push([processor, await stateOfProcessor(processor, kernel, monitor)]);
    await guest.qmp.execute('cont', {}, limits.qemu);
    write('== Processors, as QEMU sees them. The callers are a guess: some may be of calls that are over.\n');
    for (const [{ number }, { activity, at, callers }] of found)
      write(`CPU ${number}: ${activity}\n${[at, ...callers].map((name) => `  ${name}\n`).join('')}`);
    write(`\n== Registers\n${arch.withoutVectors(registers.replaceAll('\r', ''))}\n`);
    return found.map(([{ number }, state]) => brief(number, state));
  } finally {
    await kernel?.[Symbol.asyncDispose]();
  }
}

async function stateOfProcessor(
  processor: Processor,
  kernel: KernelText | null,
  monitor: (command: string, cpu: number) => Promise<string>,
): Promise<ProcessorState> {
  const { number, stack, privilege } = processor;
  const dump = `x /${wordsAbove(stack)}gx 0x${stack.toString(16)}`;
  const words = privilege > 0 ? [] : readWords(await monitor(dump, number));
  return locate(processor, words, kernel);
}

/** Send SysRq keys over the serial line. The kernel answers on its console if it still takes interrupts. */
async function askKernel(guest: Guest, write: (text: string | Buffer) => void): Promise<void> {
  for (const [key, meaning] of questions) {
    write(`\n== SysRq ${key}: ${meaning}\n`);
    const answer = await press(guest, key);
    write(answer);
    if (answer.includes('sysrq: ')) continue;
    write('[no answer: it takes no interrupts, or its kernel has no CONFIG_MAGIC_SYSRQ_SERIAL]\n');
    return;
  }
}

/** Send one SysRq key and collect console output until the console is silent. */
async function press({ qmp, keyboard, console, clock, exited }: Guest, key: string): Promise<Buffer> {
  const said: Buffer[] = [];
  let bytes = 0;
  let last: number | null = null;
  let gone = false;
  exited.then(() => {
    gone = true;
  });
  const hear = (chunk: Buffer) => {
    last = clock.own();
    if (bytes < maxAnswer) said.push(chunk.subarray(0, maxAnswer - bytes));
    bytes += chunk.length;
  };
  console.on('data', hear);
  try {
    await qmp.execute('chardev-send-break', { id: 'console' }, limits.qemu);
    keyboard.write(key);
    // The kernel has the time that the host gives to QEMU; the whole answer has host time.
    const until = performance.now() + limits.sysrq;
    const asked = clock.own();
    const isQuiet = () =>
      last === null ? clock.own() - asked > limits.firstOutput : clock.own() - last > limits.nextOutput;
    const isOver = () => gone || performance.now() > until || isQuiet();
    while (!isOver()) await setTimeout(100);
  } finally {
    console.off('data', hear);
  }
  if (bytes > maxAnswer) said.push(Buffer.from(`\n[${plural(bytes - maxAnswer, 'byte')} left out here]\n`));
  return Buffer.concat(said);
}
