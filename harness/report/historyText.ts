// SPDX-License-Identifier: MIT
// What `kiln history` prints. Names and details come from guests.
import type { OnKernel, Slower, TestHistory, Times } from '../results/testHistory.ts';
import { plural } from '../util/plural.ts';
import { printable } from '../util/printable.ts';
import type { Rate } from '../util/wilson.ts';
import { oneLine } from './plain.ts';
import { percent, seconds } from './text.ts';

/** A line for each test, those that are flaky first. */
export function historyTable(histories: readonly TestHistory[]): string[] {
  const rows = histories
    .toSorted((a, b) => flakiness(b) - flakiness(a))
    .map((one) => [
      printable(`${one.suite}/${one.test}`),
      String(one.runs),
      String(one.failed),
      one.flaky.failed > 0 && one.flaky.rate ? rateText(one.flaky.rate) : '-',
      day(one.since),
      one.lastFailure ? day(one.lastFailure.started) : '-',
      one.slower ? slowerBy(one.slower) : '-',
    ]);
  const table = [['test', 'runs', 'failed', 'flaky', 'since', 'last failure', 'slower'], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) => row.map((cell, column) => pad(cell, widths[column]!, column)).join('  '));
}

function flakiness({ flaky }: TestHistory): number {
  return flaky.failed > 0 ? (flaky.rate?.estimate ?? 0) : -1;
}

/** Counts are right-aligned, and nothing follows the last column. */
function pad(cell: string, width: number, column: number): string {
  if (column === 1 || column === 2) return cell.padStart(width);
  return column === 6 ? cell : cell.padEnd(width);
}

/** All that is known of one test. @param most kernels and failures, each */
export function historyLines(one: TestHistory, most = 10): string[] {
  const { flaky, lastFailure, failures, kernels, slower } = one;
  const last = kernels.slice(-most).toReversed();
  return [
    printable(`${one.suite}/${one.test}`),
    `  since ${minute(one.since)}, last run ${minute(one.last)}`,
    `  ${plural(one.runs, 'run')} on ${plural(kernels.length, 'kernel')}, ${one.failed} failed${one.skipped > 0 ? `; ${one.skipped} skipped` : ''}`,
    ...(flaky.rate
      ? [
          `  flaky: ${flaky.failed} of ${flaky.runs} failed on kernels on which it also passed, ${rateText(flaky.rate, '95 % confidence: ')}`,
        ]
      : []),
    slower
      ? `  slower: ${slowerText(slower)}`
      : '  slower: not since any kernel, as far as these runs can tell',
    ...(lastFailure
      ? [
          `  last failure ${minute(lastFailure.started)}: ${oneLine(lastFailure.detail) || lastFailure.verdict}`,
          `    ${printable(lastFailure.dir)}`,
        ]
      : []),
    ...failures.slice(0, most).map(({ name, count }) => `  ${String(count).padStart(6)} × ${oneLine(name)}`),
    ...(failures.length > most ? [`         and ${failures.length - most} more`] : []),
    '  kernels, the newest first:',
    ...last.map((kernel) => `    ${kernelText(kernel)}: ${onKernelText(kernel)}`),
    ...(kernels.length > most ? [`    and ${kernels.length - most} older`] : []),
  ];
}

/** `5 % (1.4 to 16.5 %)` */
function rateText({ estimate, low, high }: Rate, what = ''): string {
  return `${percent(estimate)} % (${what}${percent(low)} to ${percent(high)} %)`;
}

/** `+12 %` */
function slowerBy({ before, after }: Slower): string {
  return `+${Math.round(100 * (after.median_ms / before.median_ms - 1))} %`;
}

function slowerText(slower: Slower): string {
  const { before, after, since, p } = slower;
  const times = `${timesText(after)} after ${timesText(before)}`;
  return `${slowerBy(slower)} since ${kernelText(since)} of ${day(since.since)}: ${times}; noise with p < ${percent(roundUp(p))} %`;
}

/** `1.2 s (7 samples)` */
export function timesText({ median_ms, samples }: Times): string {
  return `${seconds(median_ms)} (${plural(samples, 'sample')})`;
}

/** To one digit, upwards, and not to 0. */
function roundUp(p: number): number {
  const unit = 10 ** Math.floor(Math.log10(Math.max(p, 1e-6)));
  return Math.ceil(Math.max(p, 1e-6) / unit - 1e-9) * unit;
}

/** `6.12.117 4b3c21845a6f with srvfs` */
function kernelText({ release, kernel, series, config }: OnKernel): string {
  const name = [release, kernel?.slice(0, 12) ?? 'unknown kernel'].filter((part) => part !== null).join(' ');
  const more = config === null || config === 'base x86_64' ? '' : `, config ${config}`;
  return oneLine(`${name}${series === '' ? '' : ` with ${series}`}${more}`);
}

function onKernelText({ since, runs, failed, median_ms, accelerator }: OnKernel): string {
  const time = median_ms === null ? '' : `, ${seconds(median_ms)}`;
  const how = accelerator === null ? '' : `, ${accelerator}`;
  return `${plural(runs, 'run')} since ${day(since)}, ${failed} failed${time}${how}`;
}

function day(time: string): string {
  return time.slice(0, 10);
}

/** In UTC, as the ids of runs. */
function minute(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')} UTC`;
}
