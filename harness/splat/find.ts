// SPDX-License-Identifier: MIT
import type { LogRecord } from '../channel/kmsg.ts';
import { type Found, type Splat, SplatReader } from './reader.ts';

export type { Splat } from './reader.ts';

/**
 * Finds the kernel's splats, in the order in which they began. Records of processes (facility other than 0) are
 * skipped: else any process that may write to /dev/kmsg could forge a splat.
 *
 * With CONFIG_PRINTK_CALLER the lines of each task and CPU are read separately, so that the splats of two CPUs may
 * interleave.
 */
export function findSplats(records: readonly LogRecord[]): Splat[] {
  const readers = new Map<string, SplatReader>();
  const found: Found[] = [];
  let last: number | null = null;
  let order = 0;
  for (const record of records) {
    const gap = last !== null && record.seq !== null && record.seq > last + 1;
    last = record.seq;
    if (gap) {
      for (const reader of readers.values()) {
        reader.lostRecords();
      }
    }
    if (record.facility !== 0) {
      continue;
    }
    const reader = readerFor(readers, record.caller ?? '', found);
    for (const line of record.text.split('\n')) {
      reader.read(line, record.seq, order++);
    }
  }
  for (const reader of readers.values()) {
    reader.end();
  }
  return found.sort((a, b) => a.order - b.order).map((item) => item.splat);
}

function readerFor(readers: Map<string, SplatReader>, caller: string, found: Found[]): SplatReader {
  let reader = readers.get(caller);
  if (reader === undefined) {
    reader = new SplatReader(found);
    readers.set(caller, reader);
  }
  return reader;
}
