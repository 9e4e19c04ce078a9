// SPDX-License-Identifier: MIT
import type { SplatResult } from '../schema.ts';
import { isMessenger } from '../splat/culprit.ts';

/** How many innermost places are shown wherever they are, and how many in all. */
const [innermost, most] = [4, 8];

/**
 * Where in the source a splat was, a line each: the innermost places, and those in lines of the series. Functions
 * that only report are left out. Holds text of the guest's.
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
