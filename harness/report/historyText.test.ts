// SPDX-License-Identifier: MIT
import test from 'ava';
import type { OnKernel, TestHistory } from '../results/testHistory.ts';
import { wilson } from '../util/wilson.ts';
import { historyLines, historyTable } from './historyText.ts';

const kernel: OnKernel = {
  ...{ kernel: '4b3c21845a6fc420', release: '6.12.117', series: 'srvfs', config: 'base x86_64' },
  ...{ accelerator: 'tcg', since: '2026-01-02T03:04:05.000Z', last: '2026-01-03T03:04:05.000Z' },
  ...{ runs: 20, failed: 1, median_ms: 1640 },
};

function example(more: Partial<TestHistory> = {}): TestHistory {
  return {
    ...{
      suite: 'demo',
      test: 'first',
      since: kernel.since,
      last: kernel.last,
      runs: 20,
      failed: 1,
      skipped: 0,
    },
    ...{ flaky: { failed: 1, runs: 20, rate: wilson(1, 20) }, failures: [{ name: 'opens', count: 1 }] },
    lastFailure: {
      ...{ run: 'r', started: kernel.last, dir: '/runs/r', suite: 'demo', test: 'first', verdict: 'fail' },
      ...{ detail: '1 case \u001b[31mfailed', duration_ms: 1, failures: ['opens'], base: 'b', ...kernel },
    },
    ...{ kernels: [kernel], slower: null },
    ...more,
  };
}

const slower = {
  ...{ since: kernel, before: { median_ms: 1000, samples: 9 }, after: { median_ms: 1250, samples: 8 } },
  p: 0.000041,
};

test('a test has its times, its flaky rate with the interval, its last failure and its kernels', (t) => {
  t.deepEqual(historyLines(example()), [
    'demo/first',
    '  since 2026-01-02 03:04 UTC, last run 2026-01-03 03:04 UTC',
    '  20 runs on 1 kernel, 1 failed',
    '  flaky: 1 of 20 failed on kernels on which it also passed, 5 % (95 % confidence: 0.9 to 23.6 %)',
    '  slower: not since any kernel, as far as these runs can tell',
    '  last failure 2026-01-03 03:04 UTC: 1 case failed',
    '    /runs/r',
    '       1 × opens',
    '  kernels, the newest first:',
    '    6.12.117 4b3c21845a6f with srvfs: 20 runs since 2026-01-02, 1 failed, 1.6 s, tcg',
  ]);
});

test('a slowdown says by how much, since which kernel, and how likely it is noise', (t) => {
  t.true(
    historyLines(example({ slower })).includes(
      '  slower: +25 % since 6.12.117 4b3c21845a6f with srvfs of 2026-01-02: 1.3 s (8 samples) after 1.0 s (9 samples); noise with p < 0.005 %',
    ),
  );
});

test('of many kernels and failures, the first are shown and the others counted', (t) => {
  const failures = Array.from({ length: 13 }, (_, i) => ({ name: `case ${i}`, count: 1 }));
  const lines = historyLines(example({ failures, kernels: Array(12).fill(kernel) }));
  t.true(lines.includes('         and 3 more'));
  t.true(lines.includes('    and 2 older'));
});

test('the table has flaky tests first, in columns', (t) => {
  const calm = example({ test: 'calm', failed: 0, lastFailure: null, slower });
  const flaky = { failed: 0, runs: 20, rate: wilson(0, 20) };
  t.deepEqual(historyTable([{ ...calm, flaky }, example()]), [
    'test        runs  failed  flaky                since       last failure  slower',
    'demo/first    20       1  5 % (0.9 to 23.6 %)  2026-01-02  2026-01-03    -',
    'demo/calm     20       0  -                    2026-01-02  -             +25 %',
  ]);
});
