// SPDX-License-Identifier: MIT
// Pure: a kernel log in the form of /dev/kmsg → lines for people.
import { parseRecord } from '../channel/kmsg.ts';
import type { SplatResult } from '../schema.ts';
import type { Ending } from '../util/fileEnd.ts';
import { printable } from '../util/printable.ts';

/** A line of a file. `stamp`: seconds and caller; `level`: of the kernel, 0 to 7; `user`: a process. */
export type LogLine = { number: number; stamp: string; level: number | 'user' | null; text: string };

/** The lines of any log; records of a kernel log, and the kernel's lines on a console, are taken apart. */
export function logLines({ text, first }: Ending): LogLine[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line, index) => {
    const number = first + index;
    const record = parseRecord(line);
    if (!record) return consoleLine(number, printable(line));
    const seconds = (record.usec / 1_000_000).toFixed(6).padStart(12);
    const stamp = `${seconds} ${(record.caller ?? '').padEnd(6)}`;
    return {
      number,
      stamp,
      level: record.facility === 0 ? record.level : 'user',
      text: printable(record.text),
    };
  });
}

/** Of a console: `[    1.234567][    T1] text`. It does not show levels. */
function consoleLine(number: number, line: string): LogLine {
  const found = /^\[ *(\d+\.\d{6})\](?:\[ *([TC]\d+)\])? ?(.*)$/s.exec(line);
  if (!found) return { number, stamp: '', level: null, text: line };
  const [, seconds, caller = '', text] = found;
  return { number, stamp: `${seconds!.padStart(12)} ${caller.padEnd(6)}`, level: null, text: text! };
}

/** The names of levels, as printk has them. */
export const levelNames = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'];

/**
 * The lines around a splat, from `before` lines before its first line to `after` lines behind its last one that is in the
 * log; null if the log does not have it.
 */
export function around(
  lines: readonly LogLine[],
  { lines: wanted }: Pick<SplatResult, 'lines'>,
  before = 12,
  after = 12,
): { start: number; end: number; own: Set<number> } | null {
  const texts = wanted.map((line) => printable(line).trim()).filter((line) => line !== '');
  const [first] = texts;
  if (first === undefined) return null;
  // The same first line, such as "cut here", may begin several splats: the second line decides.
  const starts = lines.flatMap((line, index) => (line.text.trim() === first ? [index] : []));
  const score = (from: number) => {
    const to = starts.find((other) => other > from) ?? from + 20;
    const near = lines.slice(from, Math.min(to, from + 20)).map((line) => line.text.trim());
    return texts.slice(0, 6).filter((text) => near.includes(text)).length;
  };
  const start = starts.toSorted((a, b) => score(b) - score(a))[0];
  if (start === undefined) return null;
  const own = new Set<number>();
  let [last, next] = [start, 0];
  for (let index = start; index < Math.min(lines.length, start + 2 * texts.length + 20); index++) {
    // A few may be missing: the splat's lines have no escapes, and are cut.
    const found = texts.indexOf(lines[index]!.text.trim(), next);
    if (found === -1 || found > next + 5) continue;
    own.add(lines[index]!.number);
    [last, next] = [index, found + 1];
  }
  return { start: Math.max(0, start - before), end: Math.min(lines.length, last + 1 + after), own };
}
