// SPDX-License-Identifier: MIT

/** A measured proportion and its 95 % confidence interval. All from 0 to 1. */
export type Rate = { estimate: number; low: number; high: number };

/** The 97.5 % quantile of the standard normal distribution: 95 % lie between it and its negative. */
const z = 1.959963984540054;

/**
 * The Wilson score interval (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927, 209-212). Unlike the normal
 * approximation it is good for few samples and for rates near 0 and 1. null without samples.
 */
export function wilson(hits: number, samples: number): Rate | null {
  if (samples === 0) return null;
  const estimate = hits / samples;
  const share = z ** 2 / samples;
  const middle = estimate + share / 2;
  const half = z * Math.sqrt((estimate * (1 - estimate)) / samples + share / (4 * samples));
  return {
    estimate,
    // These are exactly 0 and 1; computed, they would have rounding errors.
    low: hits === 0 ? 0 : (middle - half) / (1 + share),
    high: hits === samples ? 1 : (middle + half) / (1 + share),
  };
}
