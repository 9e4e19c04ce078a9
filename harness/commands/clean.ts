// SPDX-License-Identifier: MIT

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory } from '../context.ts';
import { haveCacheAlone } from '../util/cache.ts';
import { exec } from '../util/exec.ts';
import { exists } from '../util/files.ts';
import type { Cli } from './command.ts';

export function registerClean({ program, run, signal }: Cli): void {
  program
    .command('clean')
    .description('empty the cache')
    .option('--builds', 'remove only kernels and images, not the sources and ccache')
    .option('--dry-run', 'only print what would be removed')
    .action(run((options: CleanOptions) => cleanCommand(options, signal)));
}

type CleanOptions = { builds?: boolean; dryRun?: boolean };

/** `kiln clean`: empty the cache. With `builds`, the kernel sources and ccache's files stay. */
async function cleanCommand(options: CleanOptions, signal: AbortSignal): Promise<number> {
  const cache = cacheDirectory();
  if (!(await exists(cache))) {
    process.stdout.write(`nothing in ${cache}\n`);
    return 0;
  }
  await using _alone = await haveCacheAlone(cache, signal);
  const parts = options.builds ? ['kernels', 'programs', 'images', 'templates', 'scratch'] : ['.'];
  for (const part of parts) {
    const path = join(cache, part);
    if (!(await exists(path))) continue;
    const size = (await exec('du', ['-sh', path], { signal })).stdout.split('\t')[0];
    process.stdout.write(`${options.dryRun ? 'would remove' : 'removing'} ${path} (${size})\n`);
    if (!options.dryRun) await rm(path, { recursive: true, force: true });
  }
  return 0;
}
