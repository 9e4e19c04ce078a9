// SPDX-License-Identifier: MIT

/** A share of trials, and the interval that holds the true one with 95 % confidence. All from 0 to 1. */
export type Rate = { estimate: number; low: number; high: number };

/** The standard normal's 97.5 % quantile: both tails of 95 %. */
const z = 1.959963984540054;

/**
 * The Wilson score interval, which unlike the normal approximation is good for few trials and for rates near 0 and 1
 * (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927, 209-212). null without trials.
 */
export function wilson(hits: number, trials: number): Rate | null {
  if (trials === 0) return null;
  const estimate = hits / trials;
  const share = z ** 2 / trials;
  const middle = estimate + share / 2;
  const half = z * Math.sqrt((estimate * (1 - estimate)) / trials + share / (4 * trials));
  return {
    estimate,
    // Exactly 0 and 1 there, were it not for rounding.
    low: hits === 0 ? 0 : (middle - half) / (1 + share),
    high: hits === trials ? 1 : (middle + half) / (1 + share),
  };
}
