// SPDX-License-Identifier: MIT
// Pure: the figures of `kiln bench msharefs` as a picture, two panels over the number of processes.

import { picture, round, text } from '../../../harness/bench/svg.ts';
import type { MsharefsBench, RawMsharefs } from './figures.ts';

type Point = { x: number; y: number };
type Panel = { title: string; unit: (value: number) => string; ordinary: Point[]; mshare: Point[] };

/** Pixels: of the picture, and of a panel's plot within it. */
const size = { width: 860, height: 380 };
const plot = { width: 320, height: 240, top: 70 };
const lefts = [80, 500];
/** Told apart without colours too: the one is dashed. */
const colours = { ordinary: '#b5432a', mshare: '#1d6f8f', grid: '#ddd' };

/** An SVG document. */
export function plotMsharefs({ steps, mib }: MsharefsBench): string {
  const panels: Panel[] = [
    panel('Page tables', kib, steps, ({ page_tables_kib }) => page_tables_kib),
    panel('Time until all have touched all', milliseconds, steps, ({ ms }) => ms),
  ];
  const title = `Processes that share ${mib} MiB and touch each page of it`;
  return picture(size, title, ...panels.flatMap((each, index) => drawPanel(each, lefts[index]!)));
}

function panel(
  title: string,
  unit: Panel['unit'],
  steps: RawMsharefs['steps'],
  value: (way: RawMsharefs['steps'][number]['ordinary']) => number,
): Panel {
  // A logarithmic axis has no 0: nothing is drawn as the least that could be seen.
  const points = (way: 'ordinary' | 'mshare') =>
    steps.map((step) => ({ x: step.processes, y: Math.max(value(step[way]), 1) }));
  return { title, unit, ordinary: points('ordinary'), mshare: points('mshare') };
}

/** Both axes are logarithmic: by two for processes, by ten for the rest. */
function drawPanel({ title, unit, ordinary, mshare }: Panel, left: number): string[] {
  const values = [...ordinary, ...mshare].map(({ y }) => y);
  const [low, high] = [
    Math.floor(Math.log10(Math.min(...values))),
    Math.ceil(Math.log10(Math.max(...values))),
  ];
  const most = Math.log2(ordinary.at(-1)!.x) || 1;
  const bottom = plot.top + plot.height;
  const at = ({ x, y }: Point) => ({
    x: left + (plot.width * Math.log2(x)) / most,
    y: bottom - (plot.height * (Math.log10(y) - low)) / Math.max(high - low, 1),
  });
  const rows = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)).flatMap((value) => {
    const { y } = at({ x: 1, y: value });
    return [
      `<path d="M${left} ${round(y)}h${plot.width}" stroke="${colours.grid}"/>`,
      text(left - 8, y + 4, unit(value), 'end'),
    ];
  });
  const columns = ordinary.map((point) => text(at(point).x, bottom + 18, String(point.x), 'middle'));
  return [
    text(left + plot.width / 2, plot.top - 16, title, 'middle', 13),
    ...rows,
    ...columns,
    text(left + plot.width / 2, bottom + 38, 'processes', 'middle'),
    ...drawLine(ordinary.map(at), 'ordinary', 'MAP_SHARED'),
    ...drawLine(mshare.map(at), 'mshare', 'msharefs'),
  ];
}

function drawLine(points: Point[], way: 'ordinary' | 'mshare', name: string): string[] {
  const path = points.map(({ x, y }) => `${round(x)} ${round(y)}`).join('L');
  const dashes = way === 'mshare' ? '' : ' stroke-dasharray="6 4"';
  const last = points.at(-1)!;
  return [
    `<path d="M${path}" fill="none" stroke="${colours[way]}" stroke-width="2"${dashes}/>`,
    ...points.map(({ x, y }) => `<circle cx="${round(x)}" cy="${round(y)}" r="3" fill="${colours[way]}"/>`),
    `<g fill="${colours[way]}">${text(last.x, last.y - 10, name, 'end')}</g>`,
  ];
}

function kib(value: number): string {
  return value >= 1024 ? `${round(value / 1024)} MiB` : `${value} KiB`;
}

function milliseconds(value: number): string {
  return value >= 1000 ? `${value / 1000} s` : `${value} ms`;
}
