// SPDX-License-Identifier: MIT
import test from 'ava';
import { wilson } from './wilson.ts';

// The bounds solve (p - k/n)² = z² p (1 - p) / n, Wilson's own equation; written down with 4 digits.
for (const [hits, samples, low, high] of [
  [3, 200, 0.0051, 0.0432],
  [0, 100, 0, 0.037],
  [100, 100, 0.963, 1],
  [0, 2000, 0, 0.0019],
  [1, 2, 0.0945, 0.9055],
  [0, 1, 0, 0.7935],
  [1, 1, 0.2065, 1],
  [50, 100, 0.4038, 0.5962],
] as const)
  test(`${hits} of ${samples}`, (t) => {
    const rate = wilson(hits, samples)!;
    t.is(rate.estimate, hits / samples);
    t.is(Math.round(rate.low * 1e4) / 1e4, low);
    t.is(Math.round(rate.high * 1e4) / 1e4, high);
  });

test('the bounds solve the equation that defines them', (t) => {
  for (const samples of [1, 7, 200, 100_000])
    for (const hits of [1, Math.ceil(samples / 3), samples - 1].filter((n) => n > 0 && n < samples)) {
      const { estimate, low, high } = wilson(hits, samples)!;
      for (const bound of [low, high]) {
        const distance = Math.abs(bound - estimate) / Math.sqrt((bound * (1 - bound)) / samples);
        t.true(Math.abs(distance - 1.96) < 1e-3, `${hits} of ${samples}: ${distance}`);
      }
    }
});

test('none of none has no rate', (t) => {
  t.is(wilson(0, 0), null);
});
