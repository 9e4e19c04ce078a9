// SPDX-License-Identifier: MIT
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../util/context.ts';
import { exec } from '../util/exec.ts';
import type { Workspace } from './workspace.ts';

/**
 * Run the kernel's make out of tree with ccache on all cores. Nothing of the machine, the user or the time goes
 * into the kernel. Throws exec's error when make fails; `onLine` has seen all output by then.
 */
export async function kernelMake(
  workspace: Pick<Workspace, 'source' | 'build'>,
  targets: string[],
  context: Context,
  onLine: (line: string) => void = () => {},
): Promise<void> {
  const { source, build } = workspace;
  const jobs = `-j${availableParallelism()}`;
  await exec('make', ['-C', source, `O=${build}`, 'ARCH=x86_64', jobs, ...compiler, ...targets], {
    env: {
      ...ccacheEnvironment(context),
      KBUILD_BUILD_TIMESTAMP: 'Thu Jan  1 00:00:00 UTC 1970',
      KBUILD_BUILD_USER: 'kiln',
      KBUILD_BUILD_HOST: 'kiln',
      KBUILD_BUILD_VERSION: '1',
      LOCALVERSION: '',
      LC_ALL: 'C',
    },
    signal: context.signal,
    onLine,
  });
}

const compiler = ['CC=ccache gcc', 'HOSTCC=ccache gcc'];

/** ccache keeps its files in Kiln's cache; `CCACHE_DISABLE=1` from outside still switches it off. */
export function ccacheEnvironment(context: Context): Record<string, string> {
  return { CCACHE_DIR: join(context.cache, 'ccache'), CCACHE_MAXSIZE: process.env.CCACHE_MAXSIZE ?? '5G' };
}
