// SPDX-License-Identifier: MIT
import type { LogRecord } from './kmsg.ts';
import type { SplatKind } from './schema.ts';

/** One complaint of the kernel's. */
export interface Splat {
  /** The same for the same bug in every run. */
  title: string;
  kind: SplatKind;
  /** Command name of the task it happened in, if the log says so. */
  task: string | null;
  /** The log's lines, without time and level. */
  lines: string[];
  /** It begins, but its end or its stack is missing. */
  torn: boolean;
  /** Sequence number of the record it begins with; null for a console. */
  seq: number | null;
  /** What the kernel panicked with because of this splat; null if it did not. */
  panic: string | null;
}

/** Finds the kernel's complaints, in the order in which they began. */
export function findSplats(_records: readonly LogRecord[]): Splat[] {
  throw new Error('not yet');
}
