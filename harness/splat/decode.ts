// SPDX-License-Identifier: MIT
// Splats' stacks with their source lines, and the patches that these come from.

import type { Context } from '../context.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { findPlaces, type Place } from '../kernel/places.ts';
import type { SplatFrame, SplatResult } from '../schema.ts';
import { type Blame, blameLines } from '../tree/blame.ts';
import type { Tree } from '../tree/tree.ts';
import { type RawFrame, readFrames } from './frames.ts';

/**
 * Give each splat its `frames`. One call for all splats of a run: reading the debug information takes longer than
 * looking up. If that does not work, they stay as they are and a note says so.
 */
export async function decodeSplats(
  splats: SplatResult[],
  kernel: Pick<Kernel, 'dir'>,
  tree: Tree,
  context: Context,
): Promise<void> {
  const raw = splats.map(({ lines }) => readFrames(lines));
  const all = new Map(raw.flat().map((frame) => [keyOf(frame), frame]));
  if (all.size === 0) return;
  try {
    context.progress(`decoding ${all.size} stack frames`);
    const found = await findPlaces(
      kernel,
      [...all.values()].map(({ point }) => point),
      context,
    );
    if (found.every((places) => places.length === 0)) return;
    const places = new Map([...all.keys()].map((key, index) => [key, found[index]!]));
    const blame = await blameLines(tree, found.flat(), context);
    for (const [index, splat] of splats.entries())
      splat.frames = raw[index]!.map((frame) => describe(frame, places.get(keyOf(frame))!, blame));
  } catch (error) {
    context.signal.throwIfAborted();
    context.note(
      'warn',
      `the stacks of ${splats.length} splats could not be decoded: ${(error as Error).message}`,
    );
  }
}

/** The same words are a return address in one stack and the very instruction in another. */
function keyOf({ at, point }: RawFrame): string {
  return `${point.isReturn} ${at}`;
}

function describe({ at }: RawFrame, places: Place[], blame: Blame): SplatFrame {
  const patchOf = ({ file, line }: Place) => blame.get(`${file}:${line}`) ?? null;
  return { at, places: places.map((place) => ({ ...place, patch: patchOf(place) })) };
}
