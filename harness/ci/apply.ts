// SPDX-License-Identifier: MIT
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import type { Series } from '../series/series.ts';
import type { Base } from '../tree/base.ts';
import { applySeries, applyUpTo, type Tree } from '../tree/tree.ts';

/** The tree of all patches that apply, and why no more do. `number` counts from 1. */
export type Applying = { whole: Tree; conflict: { number: number; error: KilnError } | null };

/** @param before series that are applied first; a patch of these that does not apply is thrown */
export async function applyAsFar(
  base: Base,
  before: Series[],
  series: Series,
  context: Context,
): Promise<Applying> {
  try {
    return { whole: (await applySeries(base, [...before, series], context)).tree, conflict: null };
  } catch (error) {
    if (!(error instanceof KilnError) || error.code !== 'does-not-apply') throw error;
    const index = series.patches.findIndex(({ file }) => file === error.details.patch);
    if (error.details.series !== series.name || index < 0) throw error;
    const place = { before: before.length, count: index };
    const { tree } = await applyUpTo(base, [...before, series], place, context);
    return { whole: tree, conflict: { number: index + 1, error } };
  }
}
