// SPDX-License-Identifier: MIT
// Pure: where the blackouts of `kiln bench liveupdate` go, a bar each, cut into its stages.

import { picture, round, text } from '../../../harness/bench/svg.ts';
import type { LiveUpdateBench, Stages } from './figures.ts';

/** Pixels. */
const bar = { left: 230, width: 600, height: 30, gap: 22, top: 60 };
const colours = ['#1d6f8f', '#9fc3d1', '#b5432a', '#d9a441', '#5b8c5a', '#7d5ba6', '#888888', '#333333'];

/** An SVG document. */
export function plotLiveUpdate({ plain_ms, stages_ms }: LiveUpdateBench): string {
  const { small, large } = stages_ms;
  const stepped = (name: string, stages: Stages): [string, Stages, number] => [name, stages, total(stages)];
  const bars: [string, Stages | null, number][] = [
    stepped('64 MiB, untuned', stages_ms.untuned),
    stepped('next kernel loaded ahead', stages_ms.loaded_ahead),
    stepped('and a small initramfs', stages_ms.small_initramfs),
    stepped('and a quiet console', stages_ms.quiet),
    stepped('and one processor first: tuned', small),
    stepped('tuned, 1 GiB', large),
    ['tuned, kexec, nothing kept', null, plain_ms.median],
  ];
  const longest = Math.max(...bars.map(([, , ms]) => ms));
  const names = Object.keys(small);
  const y = (index: number) => bar.top + index * (bar.height + bar.gap);
  const drawn = bars.flatMap(([name, stages, ms], index) => [
    text(bar.left - 10, y(index) + 20, name, 'end'),
    ...drawBar(stages ?? { all: plain_ms }, stages ? colours : ['#bbb'], y(index), bar.width / longest),
    text(bar.left + (ms * bar.width) / longest + 8, y(index) + 20, `${Math.round(ms)} ms`),
  ]);
  const legend = names.flatMap((name, index) => {
    const x = bar.left + index * 76;
    const at = y(bars.length) + 10;
    return [rectangle(x, at, 12, 12, colours[index]!), text(x + 17, at + 10, name)];
  });
  const size = { width: 940, height: y(bars.length) + 50 };
  return picture(
    size,
    'The blackout of a virtual machine over kexec, and where it goes',
    ...drawn,
    ...legend,
  );
}

function total(stages: Stages): number {
  return Object.values(stages).reduce((sum, { median }) => sum + median, 0);
}

function drawBar(stages: Stages, shades: string[], y: number, scale: number): string[] {
  let x = bar.left;
  return Object.values(stages).map(({ median }, index) => {
    const width = median * scale;
    x += width;
    return rectangle(x - width, y, width, bar.height, shades[index % shades.length]!);
  });
}

function rectangle(x: number, y: number, width: number, height: number, fill: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${height}" fill="${fill}"/>`;
}
