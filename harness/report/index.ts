// SPDX-License-Identifier: MIT
// The formats of a finished run: how each is rendered, and the file that a run writes in it.
import type { Results } from '../schema.ts';
import { renderJson } from './json.ts';
import { renderJunit } from './junit.ts';
import { renderKtap } from './ktap.ts';
import { renderText } from './text.ts';

/** `file`: in the run's directory. Absent: a run does not write this format. */
export type ReportFormat = { render: (results: Results, dir: string) => string; file?: string };

/** The formats by their names for `kiln report --format`. results/runDirectory.ts writes results.json. */
export const formats = {
  text: { render: renderText },
  ktap: { render: renderKtap, file: 'results.ktap' },
  junit: { render: renderJunit, file: 'junit.xml' },
  json: { render: renderJson },
} satisfies Record<string, ReportFormat>;

export type ReportName = keyof typeof formats;
export const reportNames = Object.keys(formats) as ReportName[];

/** The reports that a run writes, as [file name, contents]. */
export function reportFiles(results: Results, dir: string): [string, string][] {
  return Object.values<ReportFormat>(formats).flatMap(({ file, render }) =>
    file === undefined ? [] : [[file, render(results, dir)]],
  );
}
