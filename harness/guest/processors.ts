// SPDX-License-Identifier: MIT
// What QEMU's monitor tells of a guest's processors, read.
import * as arch from './arch/x86_64.ts';
import type { KernelText } from './kernelText.ts';

/** One processor. */
export type Processor = arch.Registers & { number: number };

/** The answer to `info registers -a`. */
export function readProcessors(text: string): Processor[] {
  return text.split(/^(?=CPU#\d+)/m).flatMap((part) => {
    const number = /^CPU#(\d+)/.exec(part)?.[1];
    const registers = arch.readRegisters(part);
    return number === undefined || registers === null ? [] : [{ number: Number(number), ...registers }];
  });
}

/** The answer to `x /Ngx ADDRESS`: the words before what can't be read. */
export function readWords(text: string): bigint[] {
  return [...text.matchAll(/\b0x([0-9a-f]{16})\b/g)].map(([, hex]) => BigInt(`0x${hex}`));
}

/** Words of a stack that are looked at. */
const maxWords = 512n;
/** Callers told of a processor. */
const maxCallers = 16;

/** How many words of eight bytes a stack holds from here to its end, at most. */
export function wordsAbove(stack: bigint): number {
  const words = (arch.stackSize - (stack % arch.stackSize)) / 8n;
  return Number(words < maxWords ? words : maxWords);
}

/** Where a processor is, and who perhaps called it: return addresses on its stack, also of calls that are over. */
export type ProcessorState = { activity: string; at: string; callers: string[] };

/** @param words its stack, from the top */
export async function locate(
  processor: Processor,
  words: readonly bigint[],
  kernel: KernelText | null,
): Promise<ProcessorState> {
  const { instruction, privilege, halted, interrupts } = processor;
  const hex = `0x${instruction.toString(16)}`;
  if (privilege > 0) return { activity: 'running', at: `a process, at ${hex}`, callers: [] };
  const callers: string[] = [];
  for (const word of words) {
    const name = kernel?.nameOf(word);
    if (name && (await kernel?.followsCall(word))) callers.push(name);
    if (callers.length === maxCallers) break;
  }
  const activity = `${halted ? 'halted' : 'running'}, interrupts ${interrupts ? 'on' : 'off'}`;
  return { activity, at: kernel?.nameOf(instruction) ?? hex, callers };
}

/** `CPU 1: running, interrupts off, in f < g < h` */
export function brief(number: number, { activity, at, callers }: ProcessorState): string {
  const names = [at, ...callers.slice(0, 3)].map((name) => name.replace(/\+0x.*/, ''));
  return `CPU ${number}: ${activity}, in ${names.join(' < ')}`;
}
