// SPDX-License-Identifier: MIT
// Pure: reads the stack frames in the lines of a splat.
import * as arch from '../guest/arch/x86_64.ts';
import type { CodePoint } from '../kernel/sourceLines.ts';

/** `at`: the frame as the log has it, such as `f+0x1/0x2`. */
export type RawFrame = { at: string; point: CodePoint };

/** For one splat. Lockdep's longest reports have the stacks of a dozen locks. */
const maxFrames = 100;

/**
 * The frames of all stacks of a splat in order, each once. Unreliable frames (`? `) and those of modules are left out.
 */
export function readFrames(lines: readonly string[]): RawFrame[] {
  const frames = new Map<string, RawFrame>();
  for (const line of lines) {
    const match = framePattern.exec(line);
    if (!match || match.groups!.module) continue;
    const { symbol, offset, size, instruction } = match.groups!;
    const at = `${symbol}+0x${offset}/0x${size}`;
    const isReturn = instruction === undefined;
    const point = {
      symbol: symbol!,
      offset: Number.parseInt(offset!, 16),
      size: Number.parseInt(size!, 16),
      isReturn,
    };
    if (!frames.has(at)) frames.set(at, { at, point });
  }
  return [...frames.values()].slice(0, maxFrames);
}

/** ` f+0x1/0x2`, `RIP: 0010:f+0x1/0x2`, `… (lock){+.+.}-{3:3}, at: f+0x1/0x2`, ` [<0>] f+0x1/0x2`. */
const framePattern = new RegExp(
  `^(?:(?<instruction>${arch.logInstruction})|(?:.*, at:)? +(?:\\[<[0-9a-fx]+>\\] )?)` +
    String.raw`(?<symbol>[A-Za-z_][\w.]*)\+0x(?<offset>[0-9a-f]+)/0x(?<size>[0-9a-f]+)(?: \[(?<module>\w+)\])?`,
);
