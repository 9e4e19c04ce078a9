// SPDX-License-Identifier: MIT
// The options that build what a series touches, added to the plan.
import { join } from 'node:path';
import type { Context } from '../context.ts';
import type { Plan } from '../job/plan.ts';
import { readWishes } from '../job/wishes.ts';
import type { Fragment } from '../kernel/fragment.ts';
import { configOfTouched, type FileWish } from '../kernel/touchedConfig.ts';
import type { Tree } from '../tree/tree.ts';
import { readCachedJson, writeAtomic } from '../util/files.ts';
import { contentKey } from '../util/hash.ts';

/** A plan that asks for the touched files, and what it asks for each. */
export type Touched = { plan: Plan; files: FileWish[] };

/** @param before patches of other series in the tree, which are not looked at */
export async function askForTouched(
  plan: Plan,
  whole: Tree,
  before: number,
  context: Context,
): Promise<Touched> {
  const { own, suites, asked, defaults } = await readWishes(plan);
  const fragments = [...own, ...suites.values(), ...asked];
  const paths = [...new Set(whole.patches.slice(before).flatMap(({ files }) => files))].toSorted();
  const key = contentKey('config 2', whole.content, JSON.stringify([paths, fragments, defaults]));
  const record = join(context.cache, 'known', 'config', `${key}.json`);
  const known = await readCachedJson<{ fragment: Fragment; files: FileWish[] }>(record);
  const { gitDir, commit } = whole;
  const found =
    known ?? (await configOfTouched({ gitDir, commit, paths, fragments, defaults, signal: context.signal }));
  if (!known) await writeAtomic(record, JSON.stringify(found));
  const { fragment, files } = found;
  return { plan: { ...plan, touched: fragment.wishes.length === 0 ? null : fragment }, files };
}
