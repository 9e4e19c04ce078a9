// SPDX-License-Identifier: MIT
// The formats of a finished run: how each is rendered, and the file that a run writes in it.
import type { Results } from '../schema.ts';
import { renderGithub } from './github.ts';
import { renderGithubSummary } from './githubSummary.ts';
import { renderJson, toJson } from './json.ts';
import { renderJunit } from './junit.ts';
import { kcidbReport } from './kcidb.ts';
import { renderKtap } from './ktap.ts';
import { renderMail } from './mail.ts';
import { patchworkChecks } from './patchwork.ts';
import { renderText } from './text.ts';

/** `file`: in the run's directory. Absent: a run does not write this format. `ci`: only `kiln ci` has it. */
export type ReportFormat = { render: (results: Results, dir: string) => string; file?: string; ci?: true };

/** The formats by their names for `kiln report --format`. results/runDirectory.ts writes results.json. */
export const formats = {
  text: { render: renderText },
  ktap: { render: renderKtap, file: 'results.ktap' },
  junit: { render: renderJunit, file: 'junit.xml' },
  json: { render: renderJson },
  mail: { render: renderMail, file: 'report.txt', ci: true },
  github: { render: renderGithub, ci: true },
  'github-summary': { render: renderGithubSummary, file: 'github-summary.md', ci: true },
  patchwork: { render: (results) => toJson(patchworkChecks(results)), file: 'patchwork.json', ci: true },
  kcidb: { render: (results) => toJson(kcidbReport(results)), file: 'kcidb.json', ci: true },
} satisfies Record<string, ReportFormat>;

export type ReportName = keyof typeof formats;
export const reportNames = Object.keys(formats) as ReportName[];

/** The reports that a run writes, as [file name, contents]. */
export function reportFiles(results: Results, dir: string): [string, string][] {
  return Object.values<ReportFormat>(formats).flatMap(({ file, render, ci }) =>
    file === undefined || (ci && !results.ci) ? [] : [[file, render(results, dir)]],
  );
}
