// SPDX-License-Identifier: MIT
// Pure: which suites a patch touches, so that they run on its step, too.
import type { PlannedSuite } from '../job/plan.ts';
import { readSuiteFragment } from '../kernel/config.ts';
import type { FileWish } from '../kernel/touchedConfig.ts';

/**
 * The names of the suites that files touch: those whose `config` names an option that builds one of the files, and those
 * of the kernel's tree in whose directory one is.
 * @param files of one patch, relative to the tree
 * @param wishes of all files of the series
 */
export function touchedSuites(
  suites: readonly PlannedSuite[],
  files: readonly string[],
  wishes: readonly FileWish[],
): Set<string> {
  const conditions = wishes.flatMap(({ path, condition }) => (files.includes(path) ? (condition ?? '') : []));
  const options = new Set(conditions.flatMap((text) => text.match(/(?<![!\w])\w{2,}/g) ?? []));
  const touches = ({ suite }: PlannedSuite) => {
    const inTree = /\/(tools\/testing\/selftests\/.+)$/.exec(suite.dir)?.[1];
    if (inTree !== undefined && files.some((file) => file.startsWith(`${inTree}/`))) return true;
    const { wishes: own } = readSuiteFragment(suite).fragment;
    return own.some(({ symbol, value }) => value !== 'n' && options.has(symbol));
  };
  return new Set(suites.filter(touches).map(({ suite: { name } }) => name));
}
