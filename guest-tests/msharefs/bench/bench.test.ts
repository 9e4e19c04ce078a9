// SPDX-License-Identifier: MIT
import test from 'ava';
import { figuresOf, type RawMsharefs } from './figures.ts';
import { plotMsharefs } from './plot.ts';

/** As a guest wrote it, rounded. */
const raw: RawMsharefs = {
  processes: 64,
  mib: 64,
  steps: [
    {
      processes: 1,
      ordinary: { page_tables_kib: 136, faults: 16_384, ms: 200 },
      mshare: { page_tables_kib: 140, faults: 16_385, ms: 210 },
    },
    {
      processes: 64,
      ordinary: { page_tables_kib: 8_704, faults: 1_048_576, ms: 9_600 },
      mshare: { page_tables_kib: 136, faults: 16_448, ms: 960 },
    },
  ],
  alone: [
    { ordinary: { faults: 16_384, ms: 190 }, mshare: { faults: 16_385, ms: 200 } },
    { ordinary: { faults: 16_384, ms: 210 }, mshare: { faults: 16_385, ms: 220 } },
    { ordinary: { faults: 16_384, ms: 200 }, mshare: { faults: 16_385, ms: 210 } },
  ],
  protect: { processes: 64, mib: 256, ordinary_ms: [300, 310, 290], mshare_ms: [6, 5, 90] },
};

test('ratios are msharefs to the ordinary way, at the largest number of processes', (t) => {
  const bench = figuresOf(raw);
  t.is(bench.page_table_ratio, 0.0156);
  t.is(bench.minor_fault_ratio, 0.0157);
  t.is(bench.time_ratio, 0.1);
  t.is(bench.protect_ratio, 0.02);
  t.is(bench.growth_kib, -4);
});

test('one process alone is compared by the medians of its rounds', (t) => {
  const { alone, alone_ratio } = figuresOf(raw);
  t.is(alone.ordinary_ms.median, 200);
  t.is(alone.mshare_ms.median, 210);
  t.is(alone_ratio, 0.95);
});

test('the picture has both lines in both panels, and nothing that is not a number', (t) => {
  const svg = plotMsharefs(figuresOf(raw));
  t.is(svg.match(/stroke-width="2"/g)?.length, 4);
  t.is(svg.match(/<circle/g)?.length, 8);
  t.regex(svg, /share 64 MiB/);
  t.notRegex(svg, /NaN|Infinity|undefined/);
});

test('the picture of nothing at all is a picture still', (t) => {
  const nothing = { page_tables_kib: 0, faults: 1, ms: 0.01 };
  const steps = [{ processes: 1, ordinary: nothing, mshare: nothing }];
  t.notRegex(plotMsharefs(figuresOf({ ...raw, steps })), /NaN|Infinity/);
});
