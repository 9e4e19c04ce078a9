// SPDX-License-Identifier: MIT
// Gathers what report.html holds: the results, and the logs of what failed.
import { realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { isBad } from '../results/judge.ts';
import type { Results, TestResult } from '../schema.ts';
import { type Ending, readEnd } from '../util/fileEnd.ts';
import { plural } from '../util/plural.ts';

/** What report.html holds. `files` has the ends of files of the run, by their paths in `results`. */
export type PageData = { results: Results; files: Record<string, Ending>; notes: string[] };

/** Bytes of the page's logs: of one file, and of all. */
const most = { file: 256 * 1024, all: 24 * 1024 * 1024 };

/**
 * Gather the page of a run.
 * @param dir the run's directory
 * @param share of the usual size of logs, from 0 to 1: for a page that would be too large
 */
export async function gatherPage(results: Results, dir: string, share = 1): Promise<PageData> {
  const root = await realpath(dir).catch(() => dir);
  const files: PageData['files'] = {};
  let [left, dropped] = [most.all * share, 0];
  for (const path of [...new Set(results.tests.filter(hasLogs).flatMap(logsOf))]) {
    const real = await insideOf(root, path);
    const wanted = Math.min(Math.floor(most.file * share), left);
    if (real !== null && wanted < 1024) dropped++;
    const read = real === null || wanted < 1024 ? null : await readEnd(real, wanted);
    if (read === null) continue;
    files[path] = read;
    left -= read.text.length;
  }
  const notes = [
    ...(results.tests.some((test) => !hasLogs(test) && test.guest)
      ? ['The logs of tests that pass are linked, not embedded.']
      : []),
    ...(dropped > 0
      ? [`${plural(dropped, 'log')} of failed tests would make this page too large: linked.`]
      : []),
  ];
  return { results, files, notes };
}

/** Whether the page has the logs of a test: it failed, or its kernel complained. */
function hasLogs({ verdict, splats }: TestResult): boolean {
  return isBad(verdict) || splats.some(({ expected, notice }) => !expected && !notice);
}

/** The logs of a test, the most telling first. */
export function logsOf({ guest, generations = [] }: TestResult): string[] {
  return [
    ...(guest ? [guest.hang, guest.kmsg, guest.output, guest.console] : []),
    ...generations.flatMap(({ kmsg, output, console }) => [kmsg, output, console]),
  ].filter((path) => path !== undefined);
}

/** null if it is no file of the run: results.json may come from anybody, and name any path. */
async function insideOf(root: string, path: string): Promise<string | null> {
  const real = await realpath(join(root, path)).catch(() => null);
  return real?.startsWith(`${root}${sep}`) ? real : null;
}
