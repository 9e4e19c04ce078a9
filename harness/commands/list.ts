// SPDX-License-Identifier: MIT

import { listFragments } from '../kernel/config.ts';
import { findProject } from '../project.ts';
import { listSeries, readSeries } from '../series/series.ts';
import { readSuite, type Suite } from '../suite/suite.ts';
import { plural } from '../util/plural.ts';
import { collect, defaultSuites, projectOption } from './ask.ts';
import type { Cli } from './command.ts';

export function registerList({ program, look }: Cli): void {
  program
    .command('list')
    .description('show suites, series and config fragments')
    .option('--json', 'print JSON')
    .addOption(projectOption())
    .option(
      '--tests <dir>',
      'a directory of tests instead of the default suites; repeat for several',
      collect,
    )
    .action(look((options: ListOptions) => listCommand(options)));
}

type ListOptions = { json?: boolean; project?: string; tests?: string[] };

/** `kiln list`: what there is to run. */
async function listCommand(options: ListOptions): Promise<number> {
  const project = findProject(options.project);
  const suites = options.tests
    ? await Promise.all(options.tests.map(readSuite))
    : await defaultSuites(project);
  const names = await listSeries(project.patches);
  const series = await Promise.all(
    names.map(async (name) => ({
      name,
      patches: (await readSeries(name, project.patches)).patches.map(({ file }) => file),
    })),
  );
  const configs = await listFragments(project.kernelConfig);
  process.stdout.write(options.json ? asJson(suites, series, configs) : asText(suites, series, configs));
  return 0;
}

type SeriesList = { name: string; patches: string[] }[];

/** `{suites: [{name, tests: [{name, program, settings}]}], series: [{name, patches}], configs: [name]}` */
function asJson(suites: Suite[], series: SeriesList, configs: string[]): string {
  const described = suites.map(({ name, tests }) => ({ name, tests }));
  return `${JSON.stringify({ suites: described, series, configs }, null, 2)}\n`;
}

function asText(suites: Suite[], series: SeriesList, configs: string[]): string {
  const lines = [
    'Suites',
    ...suites.map(({ name, tests }) => `  ${name}: ${tests.map((test) => test.name).join(' ')}`),
    'Series',
    ...series.map(({ name, patches }) => `  ${name}: ${plural(patches.length, 'patch')}`),
    'Config fragments',
    `  ${configs.join(' ')}`,
  ];
  return `${lines.join('\n')}\n`;
}
