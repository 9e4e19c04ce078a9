// SPDX-License-Identifier: MIT
import { printable } from '../../util/printable.ts';

/** What is wrong with a tag of a message. */
export type TagFinding = { status: 'warn' | 'fail'; text: string };

const [most, mostLines, longest] = [100, 20, 400];

/**
 * What a tool found, fit to be shown: the first hundred, each with a few lines that are not endless. The last one says
 * how many more there are.
 */
export function shown(findings: readonly string[]): string[] {
  const first = findings.slice(0, most).map((finding) => {
    const lines = printable(finding).trimEnd().split('\n');
    return lines
      .slice(0, mostLines)
      .map((line) => (line.length > longest ? `${line.slice(0, longest)}…` : line))
      .join('\n');
  });
  const rest = findings.length - most;
  return rest > 0 ? [...first, `and ${rest} more`] : first;
}

/**
 * The items of `after` that have no partner in `before`. Partners have the same first key; of those that are left, the
 * same second one, and so on. An item has one partner at most, so that a second warning of the same text is new.
 */
export function added<T>(before: readonly T[], after: readonly T[], ...keys: ((item: T) => string)[]): T[] {
  let [old, fresh] = [[...before], [...after]];
  for (const key of keys) {
    const partners = Map.groupBy(old, key);
    fresh = fresh.filter((item) => partners.get(key(item))?.pop() === undefined);
    old = [...partners.values()].flat();
  }
  return fresh;
}
