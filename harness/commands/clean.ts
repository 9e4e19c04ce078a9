// SPDX-License-Identifier: MIT

import { readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { cacheDirectory } from '../context.ts';
import { KilnError } from '../errors.ts';
import { forgetRuns } from '../results/history.ts';
import { haveCacheAlone } from '../util/cache.ts';
import { exec } from '../util/exec.ts';
import { exists } from '../util/files.ts';
import { plural } from '../util/plural.ts';
import { outOption, positive, projectOption, runsDirectory } from './ask.ts';
import type { Cli } from './command.ts';

export function registerClean({ program, run, signal }: Cli): void {
  program
    .command('clean')
    .description('empty the cache')
    .option('--builds', 'remove only kernels and images, not the sources and ccache')
    .option(
      '--older <days>',
      'remove only what was not used for so many days: kernels, images, results that are known, run directories, the history',
      positive,
    )
    .option('--dry-run', 'only print what would be removed')
    .addOption(outOption())
    .addOption(projectOption())
    .addHelpText('after', examples)
    .action(run((options: CleanOptions) => cleanCommand(options, signal)));
}

const examples = `
Examples:
  kiln clean --dry-run       what would go, and its size
  kiln clean --older 30      for a CI machine, once a day
  kiln clean --builds        build everything anew, from the same sources`;

type CleanOptions = { builds?: boolean; older?: number; dryRun?: boolean; out?: string; project?: string };

/** `kiln clean`: empty the cache. With `builds`, the kernel sources and ccache's files stay. */
async function cleanCommand(options: CleanOptions, signal: AbortSignal): Promise<number> {
  const cache = cacheDirectory();
  if (options.builds && options.older !== undefined)
    throw new KilnError('usage', '--builds and --older are two choices: give one');
  if (!(await exists(cache))) {
    process.stdout.write(`nothing in ${cache}\n`);
    return 0;
  }
  await using _alone = options.dryRun ? null : await haveCacheAlone(cache, signal);
  if (options.older !== undefined) return cleanOlder(options.older, cache, options, signal);
  const parts = options.builds ? ['kernels', 'programs', 'images', 'templates', 'scratch'] : ['.'];
  for (const part of parts) {
    const path = join(cache, part);
    if (!(await exists(path))) continue;
    process.stdout.write(
      `${options.dryRun ? 'would remove' : 'removing'} ${path} (${await sizeOf([path], signal)})\n`,
    );
    if (!options.dryRun) await rm(path, { recursive: true, force: true });
  }
  return 0;
}

/** Directories of the cache whose entries go one by one. */
const parts = [
  ...['kernels', 'programs', 'images', 'templates', 'mutants', 'trees', 'symbols'],
  ...['tests', 'decisions', 'checks', 'warnings', 'files', 'config', 'failures', 'b4', 'first'].map(
    (kind) => `known/${kind}`,
  ),
];

/** What a run uses gets a new time, so the time says when it was used last. */
async function cleanOlder(
  days: number,
  cache: string,
  options: CleanOptions,
  signal: AbortSignal,
): Promise<number> {
  const before = Date.now() - days * 86_400_000;
  // Those of `kiln ci --b4-check` are in the cache.
  const runs = [resolve(runsDirectory(options)), join(cache, 'runs')];
  const directories = [...parts.map((part) => join(cache, part)), ...runs];
  for (const directory of directories) {
    const names = await readdir(directory).catch(() => []);
    const old: string[] = [];
    for (const name of names) {
      const path = join(directory, name);
      // Other files may lie beside the runs.
      const mark = runs.includes(directory) ? join(path, 'results.json') : path;
      const info = await stat(mark).catch(() => null);
      if (info && info.mtimeMs < before && name !== 'latest') old.push(path);
    }
    if (old.length === 0) continue;
    const what = `${plural(old.length, 'entry')} of ${directory} (${await sizeOf(old, signal)})`;
    process.stdout.write(`${options.dryRun ? 'would remove' : 'removing'} ${what}\n`);
    if (!options.dryRun) for (const path of old) await rm(path, { recursive: true, force: true });
  }
  const time = new Date(before).toISOString();
  if (!options.dryRun) {
    const count = await forgetRuns(cache, time, (text) => process.stderr.write(`kiln: ${text}\n`));
    if (count > 0) process.stdout.write(`removed ${plural(count, 'run')} from the history\n`);
  }
  return 0;
}

/** On disk, together, for people. */
async function sizeOf(paths: string[], signal: AbortSignal): Promise<string> {
  const input = paths.map((path) => `${path}\0`).join('');
  const { stdout } = await exec('du', ['-shc', '--files0-from=-'], { signal, input });
  return stdout.trimEnd().split('\n').at(-1)!.split('\t')[0]!;
}
