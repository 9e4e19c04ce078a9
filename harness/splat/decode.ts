// SPDX-License-Identifier: MIT
// Adds source lines, and the patches that changed them last, to the stacks of splats.
import type { Context } from '../context.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { findSourceLines, type SourceLine } from '../kernel/sourceLines.ts';
import type { SourceExcerpt, SplatFrame, SplatResult } from '../schema.ts';
import { type Blame, blameLines } from '../tree/blame.ts';
import { placeKey, readExcerpts } from '../tree/excerpts.ts';
import type { Tree } from '../tree/tree.ts';
import { type RawFrame, readFrames } from './frames.ts';

/** A frame's source lines, each with the patch that changed it last. */
type Decoded = SplatFrame['places'];

/**
 * Looks up the frames of one kernel's splats. Most of the time goes into reading the debug information, so only one
 * lookup runs at a time, and requests that arrive meanwhile share the next one.
 */
export class Decoder {
  readonly #kernel: Pick<Kernel, 'dir'>;
  readonly #tree: Tree;
  readonly #context: Context;
  readonly #findSourceLines: typeof findSourceLines;
  readonly #readExcerpts: typeof readExcerpts;
  readonly #decoded = new Map<string, Decoded>();
  #wanted = new Map<string, RawFrame>();
  #lookup: Promise<void> | null = null;
  /** After a failed lookup no other is tried: it would fail, too. */
  #hasFailed = false;

  constructor(
    kernel: Pick<Kernel, 'dir'>,
    tree: Tree,
    context: Context,
    find = findSourceLines,
    read = readExcerpts,
  ) {
    this.#findSourceLines = find;
    this.#readExcerpts = read;
    this.#kernel = kernel;
    this.#tree = tree;
    this.#context = context;
  }

  /** Set `frames` of each splat. On failure the splats stay as they are, and a note reports it. Never throws. */
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
      const found = await this.#findSourceLines(this.#kernel, points, this.#context);
      const places = found.flat();
      const sources = await this.#readExcerpts(this.#tree, places, this.#context);
      const around = places.flatMap((place) => linesOf(place.file, sources.get(placeKey(place))));
      const blame = await blameLines(this.#tree, [...places, ...around], this.#context);
      for (const [index, key] of [...wanted.keys()].entries())
        this.#decoded.set(key, withPatches(found[index]!, blame, sources));
    } catch (error) {
      this.#hasFailed = true;
      if (this.#context.signal.aborted) return;
      this.#context.note('warn', `the stacks of splats could not be decoded: ${(error as Error).message}`);
    }
  }
}

/** The same `f+0x1/0x2` may be a return address in one stack and the instruction pointer in another. */
function keyOf({ at, point }: RawFrame): string {
  return `${point.isReturn} ${at}`;
}

function linesOf(file: string, source: SourceExcerpt | undefined): { file: string; line: number }[] {
  return source?.lines.map((_, index) => ({ file, line: source.first + index })) ?? [];
}

function withPatches(lines: SourceLine[], blame: Blame, sources: Map<string, SourceExcerpt>): Decoded {
  return lines.map((line) => {
    const source = sources.get(placeKey(line));
    const patch = blame.get(placeKey(line)) ?? null;
    if (!source) return { ...line, patch };
    const patches = linesOf(line.file, source).map((one) => blame.get(placeKey(one)) ?? null);
    const marked = patches.some((one) => one !== null) ? { ...source, patches } : source;
    return { ...line, patch, source: marked };
  });
}
