// SPDX-License-Identifier: MIT
import type { LogRecord } from '../channel/kmsg.ts';
import { type Found, type Splat, SplatReader } from './reader.ts';

export type { Splat } from './reader.ts';

/**
 * Finds the kernel's complaints, in the order in which they began. Records of processes (facility other than 0)
 * are never looked at: whoever may write to /dev/kmsg could else forge one.
 *
 * With CONFIG_PRINTK_CALLER each task's and CPU's lines are read by themselves, so that two CPUs that complain
 * at once don't tear each other's splats.
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
