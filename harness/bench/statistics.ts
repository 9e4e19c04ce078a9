// SPDX-License-Identifier: MIT
import { median } from '../util/median.ts';

/** A figure measured several times, in milliseconds. */
export type Figure = { median: number; min: number; max: number; n: number };

export function figure(samples: number[]): Figure {
  const round = (value: number) => Math.round(value * 10) / 10;
  return {
    ...{ median: round(median(samples)), min: round(Math.min(...samples)), max: round(Math.max(...samples)) },
    n: samples.length,
  };
}

/** Two decimals: these are ratios of noisy figures. */
export function ratio(a: number, b: number): number {
  return Math.round((100 * a) / b) / 100;
}
