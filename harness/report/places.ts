// SPDX-License-Identifier: MIT
import type { SplatResult } from '../schema.ts';
import { isMessenger } from '../splat/culprit.ts';

/** How many innermost places are always shown, and how many in all. */
const [innermost, most] = [4, 8];

/**
 * The source lines of a splat's stacks, one line of text each: the innermost ones, and those that the series
 * changed. Skips functions that only report. Contains text from the guest.
 */
export function splatPlaces({ frames = [] }: SplatResult): string[] {
  return frames
    .flatMap(({ places }) => places)
    .filter((place) => !isMessenger(place.function))
    .filter(({ patch }, index) => index < innermost || patch !== null)
    .slice(0, most)
    .map((place) => `at ${place.function} (${place.file}:${place.line}${by(place.patch)})`);
}

function by(patch: string | null): string {
  return patch === null ? '' : `, ${patch}`;
}
