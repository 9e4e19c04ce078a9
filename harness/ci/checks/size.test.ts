// SPDX-License-Identifier: MIT
import test from 'ava';
import { goldens, matchesGolden } from '../../testing/golden.ts';
import { parseBloat } from './size.ts';

for (const { name, input } of goldens('bloat-o-meter', '.txt'))
  test(`bloat-o-meter: ${name}`, (t) => {
    matchesGolden(t, 'bloat-o-meter', name, parseBloat(input.toString('utf8')));
  });
