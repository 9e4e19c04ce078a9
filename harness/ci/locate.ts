// SPDX-License-Identifier: MIT
// Finds the first patch with which something fails, by halving; each step is decided by replays.
import type { Decision } from './replay.ts';

/** Whether the tree after a patch fails as the whole series does; `skip`: it can't be asked. */
export type Step = Decision['answer'] | 'skip';

/** What halving found: the failure is new with `first`, or with one of the patches from `from` to `to`. */
export type Located = { first: number } | { from: number; to: number };

/**
 * @param count the patches of the series; with the last one it fails, without any it does not
 * @param ask the tree after the first n patches
 */
export async function locate(count: number, ask: (patch: number) => Promise<Step>): Promise<Located> {
  let [good, bad] = [0, count];
  const skipped = new Set<number>();
  for (;;) {
    const open = Array.from({ length: bad - good - 1 }, (_, index) => good + 1 + index).filter(
      (patch) => !skipped.has(patch),
    );
    if (open.length === 0) break;
    const middle = open[Math.floor((open.length - 1) / 2)]!;
    const answer = await ask(middle);
    if (answer === 'new') bad = middle;
    else if (answer === 'not-new') good = middle;
    else skipped.add(middle);
  }
  return bad - good === 1 ? { first: bad } : { from: good + 1, to: bad };
}

/**
 * Whether a tree inside the series fails as the whole series does. "Not new" against the base rules out only a great rise,
 * and what the series breaks may fail rarely. So a tree is cleared only if the whole series fails more often than it.
 * @param onBase the tree against the base
 * @param onWhole the whole series against the tree
 */
export async function askStep(
  onBase: () => Promise<Decision['answer']>,
  onWhole: () => Promise<Decision['answer']>,
): Promise<Step> {
  if ((await onBase()) === 'new') return 'new';
  return (await onWhole()) === 'new' ? 'not-new' : 'skip';
}

/** How many steps halving takes at most, for patches that can all be asked. */
export function stepsOf(count: number): number {
  return Math.ceil(Math.log2(count));
}
