// SPDX-License-Identifier: MIT
import type { LogRecord } from '../../channel/kmsg.ts';
import { findSplats } from '../../splat/find.ts';
import { stable } from '../../splat/patterns.ts';
import { printable } from '../../util/printable.ts';

/** More lines than a person reads. */
const most = 200;

/**
 * Lines of the kernel that are in a log of `patched` and in none of `base`, each once, without time and level. Lines
 * that differ only in addresses, numbers, sizes or times count as the same. Left out are lines that processes wrote, those
 * of splats, which are results of their own, and those by which the kernel notes that the host was busy.
 */
export function newLogLines(
  base: readonly (readonly LogRecord[])[],
  patched: readonly (readonly LogRecord[])[],
): string[] {
  const known = new Set(base.flatMap(kernelLines).map(shapeOfLine));
  const fresh: string[] = [];
  for (const line of patched.flatMap(kernelLines)) {
    const shape = shapeOfLine(line);
    if (shape === '' || known.has(shape)) continue;
    known.add(shape);
    fresh.push(line);
  }
  const rest = fresh.length - most;
  return rest > 0 ? [...fresh.slice(0, most), `and ${rest} more lines`] : fresh;
}

function kernelLines(log: readonly LogRecord[]): string[] {
  const ofSplats = new Set(findSplats(log).flatMap(({ lines }) => lines));
  return log
    .filter(({ facility }) => facility === 0)
    .flatMap(({ text }) => text.split('\n'))
    .filter((line) => !ofSplats.has(line) && !busyHost.test(line))
    .map((line) => printable(line).trimEnd());
}

const busyHost =
  /^calibrate_delay_direct\(\) |^hrtimer: interrupt took |^perf: interrupt took too long|^clocksource: timekeeping watchdog /;

/** A line without what differs between two boots of one kernel. */
export function shapeOfLine(line: string): string {
  return stable(
    line
      .replace(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, 'UUID')
      .replace(/\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/gi, 'MAC')
      .replace(/\b\d+(?:\.\d+)?(?=(?:[KMGT]i?B?|[KMG]?Hz|[kmgt]b|[kM]B|ns|us|ppm|x|bit|MBps)\b)/g, 'N')
      .replace(/ {2,}/g, ' '),
  );
}
