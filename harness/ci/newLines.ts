// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import { type LogRecord, parseKmsg } from '../channel/kmsg.ts';
import type { JobOutcome } from '../results/assemble.ts';
import { readIfThere } from '../util/files.ts';
import { newLogLines } from './checks/logLines.ts';

/**
 * Lines of the kernel log that no guest of the base has, from all guests with the whole series. Of results that were
 * known before there are no logs; then there are no lines.
 * @param runDir absolute
 */
export async function findNewLines(runDir: string, base: JobOutcome, whole: JobOutcome): Promise<string[]> {
  const [before, after] = await Promise.all([readLogs(runDir, base), readLogs(runDir, whole)]);
  return before.length === 0 ? [] : newLogLines(before, after);
}

async function readLogs(runDir: string, { tests }: JobOutcome): Promise<LogRecord[][]> {
  const paths = tests.flatMap(({ guest }) => (guest ? [join(runDir, guest.kmsg)] : []));
  const logs = await Promise.all(paths.map(readIfThere));
  return logs.flatMap((log) => (log === undefined ? [] : [parseKmsg(log)]));
}
