// SPDX-License-Identifier: MIT

/** A figure measured several times, in milliseconds. */
export type Figure = { median: number; min: number; max: number; n: number };

export function figure(samples: number[]): Figure {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  const round = (value: number) => Math.round(value * 10) / 10;
  return { median: round(median), min: round(sorted[0]!), max: round(sorted.at(-1)!), n: sorted.length };
}

/** Two decimals: these are ratios of noisy figures. */
export function ratio(a: number, b: number): number {
  return Math.round((100 * a) / b) / 100;
}
