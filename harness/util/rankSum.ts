// SPDX-License-Identifier: MIT

/** Of at most so many values together, the distribution is counted; of more, it is close enough to a normal one. */
const counted = 60;

/**
 * The one-sided rank-sum test (F. Wilcoxon, Biometrics Bulletin 1, 1945, 80-83): the probability that `after` ranks as
 * high as it does, or higher, if all values come from one distribution, whatever this is. Ties get their mean rank.
 */
export function rankSum(before: readonly number[], after: readonly number[]): number {
  if (before.length === 0 || after.length === 0) return 1;
  const ranks = twiceRanks([...before, ...after]);
  const sum = ranks.slice(before.length).reduce((all, one) => all + one, 0);
  return ranks.length <= counted
    ? shareAtLeast(ranks, after.length, sum)
    : normalTail(ranks, after.length, sum);
}

/** Twice the mean rank of each value, from 2: a whole number. */
function twiceRanks(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  const ranks = new Map<number, number>();
  for (let start = 0, end = 0; start < sorted.length; start = end) {
    while (end < sorted.length && sorted[end] === sorted[start]) end++;
    ranks.set(sorted[start]!, start + 1 + end);
  }
  return values.map((value) => ranks.get(value)!);
}

/** Of all ways to choose `count` of the ranks, the share whose sum is at least `sum`. */
function shareAtLeast(ranks: readonly number[], count: number, sum: number): number {
  const most = ranks.reduce((all, one) => all + one, 0);
  // ways[chosen][total]
  const ways = Array.from({ length: count + 1 }, () => new Float64Array(most + 1));
  ways[0]![0] = 1;
  for (const rank of ranks)
    for (let chosen = count; chosen > 0; chosen--) {
      const [to, from] = [ways[chosen]!, ways[chosen - 1]!];
      for (let total = most; total >= rank; total--) to[total]! += from[total - rank]!;
    }
  const total = (part: Float64Array) => part.reduce((all, one) => all + one, 0);
  return total(ways[count]!.subarray(sum)) / total(ways[count]!);
}

function normalTail(ranks: readonly number[], count: number, sum: number): number {
  const mean = ranks.reduce((all, one) => all + one, 0) / ranks.length;
  const spread = ranks.reduce((all, one) => all + (one - mean) ** 2, 0) / ranks.length;
  const variance = (count * (ranks.length - count) * spread) / (ranks.length - 1);
  if (variance === 0) return 1;
  // One is the distance to the next lower sum of doubled ranks.
  return upperTail((sum - 1 - count * mean) / Math.sqrt(variance));
}

/** Of the standard normal distribution (Abramowitz and Stegun, 26.2.17); off by less than 1e-7. */
function upperTail(x: number): number {
  if (x < 0) return 1 - upperTail(-x);
  const t = 1 / (1 + 0.2316419 * x);
  const [a, b, c, d, e] = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429];
  const series = t * (a + t * (b + t * (c + t * (d + t * e))));
  return (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * series;
}
