// SPDX-License-Identifier: MIT
// Parses what QEMU's monitor reports of a guest's processors.
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

/** The answer to `x /Ngx ADDRESS`; ends at the first word that can't be read. */
export function readWords(text: string): bigint[] {
  return [...text.matchAll(/\b0x([0-9a-f]{16})\b/g)].map(([, hex]) => BigInt(`0x${hex}`));
}

/** Words of a stack that are searched for return addresses. */
const maxWords = 512n;
/** Callers reported for a processor. */
const maxCallers = 16;

/** Words of eight bytes from here to the end of the stack, at most maxWords. */
export function wordsAbove(stack: bigint): number {
  const words = (arch.stackSize - (stack % arch.stackSize)) / 8n;
  return Number(words < maxWords ? words : maxWords);
}

/** `callers` is a guess: every return address on the stack, also those left by calls that have returned. */
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
