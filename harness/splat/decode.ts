// SPDX-License-Identifier: MIT
// Splats' stacks with their source lines, and the patches that these come from.
import type { Context } from '../context.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { findSourceLines, type SourceLine } from '../kernel/sourceLines.ts';
import type { SplatFrame, SplatResult } from '../schema.ts';
import { type Blame, blameLines } from '../tree/blame.ts';
import type { Tree } from '../tree/tree.ts';
import { type RawFrame, readFrames } from './frames.ts';

/** A frame's source lines, each with the patch that changed it last. */
type Decoded = SplatFrame['places'];

/**
 * Looks up the frames of one kernel's splats. Reading the debug information takes longer than looking up, so there is
 * one lookup at a time, and what is asked for meanwhile shares the next one.
 */
export class Decoder {
  readonly #kernel: Pick<Kernel, 'dir'>;
  readonly #tree: Tree;
  readonly #context: Context;
  readonly #decoded = new Map<string, Decoded>();
  #wanted = new Map<string, RawFrame>();
  #lookup: Promise<void> | null = null;
  /** A lookup failed: the next one would, too. */
  #hasFailed = false;

  constructor(kernel: Pick<Kernel, 'dir'>, tree: Tree, context: Context) {
    this.#kernel = kernel;
    this.#tree = tree;
    this.#context = context;
  }

  /** Give each splat its `frames`. If that does not work, splats stay as they are and a note says so. Never throws. */
  async decode(splats: SplatResult[]): Promise<void> {
    const raw = splats.map(({ lines }) => readFrames(lines));
    const keys = raw.flat().map((frame) => {
      const key = keyOf(frame);
      if (!this.#decoded.has(key)) this.#wanted.set(key, frame);
      return key;
    });
    while (!this.#hasFailed && keys.some((key) => !this.#decoded.has(key))) {
      this.#lookup ??= this.#lookUp().finally(() => {
        this.#lookup = null;
      });
      await this.#lookup;
    }
    if (keys.every((key) => !this.#decoded.get(key)?.length)) return;
    for (const [index, splat] of splats.entries())
      splat.frames = raw[index]!.map((frame) => ({
        at: frame.at,
        places: this.#decoded.get(keyOf(frame)) ?? [],
      }));
  }

  async #lookUp(): Promise<void> {
    const wanted = this.#wanted;
    this.#wanted = new Map();
    try {
      const points = [...wanted.values()].map(({ point }) => point);
      const found = await findSourceLines(this.#kernel, points, this.#context);
      const blame = await blameLines(this.#tree, found.flat(), this.#context);
      for (const [index, key] of [...wanted.keys()].entries())
        this.#decoded.set(key, withPatches(found[index]!, blame));
    } catch (error) {
      this.#hasFailed = true;
      if (this.#context.signal.aborted) return;
      this.#context.note('warn', `the stacks of splats could not be decoded: ${(error as Error).message}`);
    }
  }
}

/** The same words are a return address in one stack and the very instruction in another. */
function keyOf({ at, point }: RawFrame): string {
  return `${point.isReturn} ${at}`;
}

function withPatches(lines: SourceLine[], blame: Blame): Decoded {
  return lines.map((line) => ({ ...line, patch: blame.get(`${line.file}:${line.line}`) ?? null }));
}
