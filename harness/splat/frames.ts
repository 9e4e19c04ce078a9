// SPDX-License-Identifier: MIT
// Pure: the points in the kernel's code that a splat's lines name.
import * as arch from '../guest/arch/x86_64.ts';
import type { CodePoint } from '../kernel/sourceLines.ts';

/** A frame as the log has it, and what it names. */
export type RawFrame = { at: string; point: CodePoint };

/** Of one splat; lockdep's longest reports have stacks of a dozen locks. */
const maxFrames = 100;

/** The frames of all stacks of a splat, each once, in their order, without uncertain (`? `) ones and modules'. */
export function readFrames(lines: readonly string[]): RawFrame[] {
  const frames = new Map<string, RawFrame>();
  for (const line of lines) {
    const match = FRAME.exec(line);
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
const FRAME = new RegExp(
  `^(?:(?<instruction>${arch.logInstruction})|(?:.*, at:)? +(?:\\[<[0-9a-fx]+>\\] )?)` +
    String.raw`(?<symbol>[A-Za-z_][\w.]*)\+0x(?<offset>[0-9a-f]+)/0x(?<size>[0-9a-f]+)(?: \[(?<module>\w+)\])?`,
);
