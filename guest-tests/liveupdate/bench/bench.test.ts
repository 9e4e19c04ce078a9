// SPDX-License-Identifier: MIT
import test from 'ava';
import { figuresIn } from './bench.ts';

test('figures are the lines of a unit, with nothing before or behind them', (t) => {
  const output =
    'TAP version 13\n# blackout_ms 812.5\n# stage_boot_ms 3\n# stage_init_ms -1.5\n# blackout_ms 9 or so\nblackout_ms 7\n';
  t.deepEqual(
    [...figuresIn(output)],
    [
      ['blackout', [812.5]],
      ['stage_boot', [3]],
      ['stage_init', [-1.5]],
    ],
  );
});
