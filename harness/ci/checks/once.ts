// SPDX-License-Identifier: MIT
import type { CheckResult } from '../../schema.ts';
import { readCachedJson, writeAtomic } from '../../util/files.ts';

/**
 * Make checks that no earlier run has made. One that could not be made is not stored: a program may have been missing,
 * or the machine too busy.
 * @param record where the results are stored
 */
export async function once(
  record: string,
  make: () => Promise<CheckResult[]>,
): Promise<{ value: CheckResult[]; cached: boolean }> {
  const known = await readCachedJson<CheckResult[]>(record);
  if (known) return { value: known, cached: true };
  const value = await make();
  if (value.every(({ status }) => status !== 'skip')) await writeAtomic(record, JSON.stringify(value));
  return { value, cached: false };
}
