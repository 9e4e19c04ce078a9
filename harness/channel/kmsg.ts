// SPDX-License-Identifier: MIT
import { type Line, LineSplitter } from '../util/lines.ts';

/** One record of the kernel log. */
export type LogRecord = {
  /** 0 (emergency) to 7 (debug). */
  level: number;
  /** 0: the kernel. Others are processes, which write to /dev/kmsg. */
  facility: number;
  /** The record's sequence number; null if it comes from a console, which has none. */
  seq: number | null;
  /** Microseconds since boot; null if unknown. */
  usec: number | null;
  /** Without the line end; may hold several lines, separated by `\n`. Raw: never show it unsanitised. */
  text: string;
  /** Who printed: `T123` (task) or `C1` (CPU in interrupt), with CONFIG_PRINTK_CALLER only. */
  caller?: string;
};

/** A record of /dev/kmsg: it always has a number and a time. */
export interface KmsgRecord extends LogRecord {
  seq: number;
  usec: number;
}

/**
 * Parses the stream of /dev/kmsg. Each record is returned once, when its line is complete; only an incomplete line is
 * stored, so that memory is bounded.
 *
 * The format (Documentation/ABI/testing/dev-kmsg) is `prio,seq,usec,flags[,more];text`. Lines that begin with a space
 * have `KEY=value` of the device; they are ignored.
 */
export class KmsgParser {
  /** Lines that were neither a record nor a continuation. */
  malformed = 0;
  /** Sequence numbers that were skipped: records the kernel overwrote before they were read. */
  lost = 0;
  /** Lines that were longer than the limit and cut. */
  cut = 0;
  readonly #lines: LineSplitter;
  #next: number | null = null;

  /** `limit`: bytes of one line. The kernel itself stops at about 8 KiB (PRINTKRB_RECORD_MAX escaped). */
  constructor(limit: number = 16 * 1024) {
    this.#lines = new LineSplitter(limit);
  }

  /** Returns the records that this chunk completed. */
  write(chunk: Uint8Array | string): KmsgRecord[] {
    return this.#read(this.#lines.write(chunk));
  }

  /** Returns the last record if its line lacks its end. */
  end(): KmsgRecord[] {
    return this.#read(this.#lines.end());
  }

  #read(lines: Iterable<Line>): KmsgRecord[] {
    const records: KmsgRecord[] = [];
    for (const line of lines) {
      this.cut += line.cut ? 1 : 0;
      if (line.text === '' || line.text.startsWith(' ')) {
        continue;
      }
      const record = parseRecord(line.text);
      if (record === null) {
        this.malformed++;
        continue;
      }
      if (this.#next !== null && record.seq > this.#next) {
        this.lost += record.seq - this.#next;
      }
      this.#next = record.seq + 1;
      records.push(record);
    }
    return records;
  }
}

/** A whole /dev/kmsg text at once. */
export function parseKmsg(text: Uint8Array | string): KmsgRecord[] {
  const parser = new KmsgParser();
  return [...parser.write(text), ...parser.end()];
}

/**
 * Parses console output: lines with or without `<6>`, `[   12.345678]` and `[    T45]`. A console does not show who
 * wrote a line, so every line counts as the kernel's. The firmware or a process may have left its last line without an
 * end, so a time in the middle of a line begins another one. Prefer /dev/kmsg.
 */
export function parseConsole(text: Uint8Array | string): LogRecord[] {
  const lines = new LineSplitter(16 * 1024);
  return [...lines.write(text), ...lines.end()].flatMap((line) =>
    line.text.split(gluedStamp).map(parseConsoleLine),
  );
}

const gluedStamp = /(?<!^|^<\d{1,3}>)(?=\[ *\d{1,9}\.\d{6}\](?:\[ *[TC]\d+\])? )/;

/** One line of /dev/kmsg; null if it is no record. */
export function parseRecord(line: string): KmsgRecord | null {
  const match = /^(\d{1,9}),(\d{1,15}),(\d{1,15}),[^,;]*((?:,[^,;]*)*);(.*)$/s.exec(line);
  if (!match) {
    return null;
  }
  const [, priority, seq, usec, more, text] = match as unknown as string[];
  const caller = /,caller=([TC]\d+)/.exec(more as string)?.[1];
  return {
    level: Number(priority) & 7,
    facility: Number(priority) >> 3,
    seq: Number(seq),
    usec: Number(usec),
    text: unescaped(text as string),
    ...(caller === undefined ? {} : { caller }),
  };
}

// Not Buffer: report.html reads kernel logs, too.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** The kernel writes control characters, the backslash and every byte beyond ASCII as `\xNN`. */
function unescaped(text: string): string {
  return text.replace(/(?:\\x[0-9a-f]{2})+/g, (run) =>
    utf8.decode(Uint8Array.from(run.match(/[0-9a-f]{2}/g)!, (byte) => Number.parseInt(byte, 16))),
  );
}

function parseConsoleLine(line: string): LogRecord {
  // With printk.time=0 there is a caller without a time, without CONFIG_PRINTK_CALLER a time without a caller.
  const match = /^(?:<(\d{1,3})>)?(?:\[ *(\d{1,9})\.(\d{6})\])?(?:\[ *([TC]\d+)\])?(.*)$/s.exec(line);
  const [, priority, seconds, micros, caller, rest = line] = match ?? [];
  const prefixed = seconds !== undefined || caller !== undefined;
  return {
    level: priority === undefined ? 6 : Number(priority) & 7,
    facility: priority === undefined ? 0 : Number(priority) >> 3,
    seq: null,
    usec: seconds === undefined ? null : Number(seconds) * 1_000_000 + Number(micros),
    text: prefixed && rest.startsWith(' ') ? rest.slice(1) : rest,
    ...(caller === undefined ? {} : { caller }),
  };
}
