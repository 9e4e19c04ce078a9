// SPDX-License-Identifier: MIT
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import type { Series } from '../series/series.ts';
import type { Base } from '../tree/base.ts';
import { applySeries } from '../tree/tree.ts';

/** How many patches of a series apply, from the first on, and why no more do. `number` counts from 1. */
export type Applying = { count: number; conflict: { number: number; error: KilnError } | null };

/** @param before series that are applied first; a patch of these that does not apply is thrown */
export async function countApplying(
  base: Base,
  before: Series[],
  series: Series,
  context: Context,
): Promise<Applying> {
  try {
    await applySeries(base, [...before, series], context);
    return { count: series.patches.length, conflict: null };
  } catch (error) {
    if (!(error instanceof KilnError) || error.code !== 'does-not-apply') throw error;
    const index = series.patches.findIndex(({ file }) => file === error.details.patch);
    if (error.details.series !== series.name || index < 0) throw error;
    return { count: index, conflict: { number: index + 1, error } };
  }
}
