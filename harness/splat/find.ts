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
  const guests = new Map<string, SplatReader>();
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
    const caller = record.caller ?? '';
    for (const line of record.text.split('\n')) {
      if (bootPattern.test(line)) {
        for (const reader of readers.values()) {
          reader.end();
        }
        readers.clear();
        guests.clear();
      }
      const own = readerFor(readers, caller, found);
      // A CPU that is stuck prints its stack itself, for the report of another one.
      const host = backtracePattern.test(line) && own.isIdle ? awaiting(readers, own) : guests.get(caller);
      if (host && (backtracePattern.test(line) || host.takes(line))) {
        guests.set(caller, host);
        host.read(line, record.seq, order++, record.level);
      } else {
        guests.delete(caller);
        own.read(line, record.seq, order++, record.level);
      }
    }
  }
  for (const reader of readers.values()) {
    reader.end();
  }
  const splats = found.sort((a, b) => a.order - b.order).map((item) => item.splat);
  return withoutRepeats(splats.filter((splat, index) => !isOfVictim(splat, splats.slice(0, index))));
}

/** The first line of a kernel: what another one reported before it is over. */
const bootPattern = /^Linux version \d/;
const backtracePattern = /^NMI backtrace for cpu \d/;

/** The reader of another caller whose report lacks the stack of a CPU; the last one that began. */
function awaiting(readers: Map<string, SplatReader>, own: SplatReader): SplatReader | undefined {
  return [...readers.values()].findLast((reader) => reader !== own && reader.awaitsOtherCpu);
}

/**
 * Whether this is a failed allocation of a process that the OOM killer has killed. The kernel logs it or not: that
 * depends on whether the process gets the signal first.
 */
function isOfVictim({ notice, task, title }: Splat, before: readonly Splat[]): boolean {
  return (
    notice === true &&
    allocationPattern.test(title) &&
    before.some(
      ({ kind, title: other }) => kind === 'oom' && other === `Out of memory: Killed process ${task}`,
    )
  );
}

const allocationPattern = /^(?:page allocation|vmalloc error)/;

/** Of notices with one title the first, and not more than a few: they must not displace splats. */
function withoutRepeats(splats: Splat[]): Splat[] {
  const notices = new Set<string>();
  return splats.filter(({ title, notice }) => {
    if (!notice) return true;
    if (notices.has(title) || notices.size === maxNotices) return false;
    notices.add(title);
    return true;
  });
}

const maxNotices = 20;

function readerFor(readers: Map<string, SplatReader>, caller: string, found: Found[]): SplatReader {
  let reader = readers.get(caller);
  if (reader === undefined) {
    reader = new SplatReader(found);
    readers.set(caller, reader);
  }
  return reader;
}
