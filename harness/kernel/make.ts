// SPDX-License-Identifier: MIT
import { mkdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import * as arch from '../guest/arch/x86_64.ts';
import { plainFile } from '../sandbox/plain.ts';
import { confined, type Reach } from '../sandbox/sandbox.ts';
import { writeAtomic } from '../util/files.ts';
import { unfinished, type Workspace } from './workspace.ts';

type Seen = Pick<Workspace, 'source' | 'build' | 'seen' | 'compiler'>;

/**
 * Run the kernel's make out of tree, in the sandbox, with ccache and on all cores. The kernel does not depend on the
 * host's name, the user or the time. Throws exec's error if make fails, and does-not-build if it exceeds its limits.
 * @param onLine called for each line of output, all of it before an error is thrown
 * @param more writable directories beside the build directory
 */
export async function kernelMake(
  workspace: Seen,
  targets: string[],
  context: Context,
  onLine: (line: string) => void = () => {},
  more: string[] = [],
): Promise<void> {
  const { source, build, seen, compiler } = workspace;
  const jobs = `-j${availableParallelism()}`;
  const ccache = await ccacheReach(context);
  const reach: Reach = {
    cwd: seen.build,
    read: [[source, seen.source], ...ccache.read],
    write: [[build, seen.build], ...more, ...ccache.write],
    env: {
      ...ccache.env,
      KBUILD_BUILD_TIMESTAMP: 'Thu Jan  1 00:00:00 UTC 1970',
      KBUILD_BUILD_USER: 'kiln',
      KBUILD_BUILD_HOST: 'kiln',
      KBUILD_BUILD_VERSION: '1',
      LOCALVERSION: '',
      ...(await flags(workspace)),
      LC_ALL: 'C',
    },
  };
  const words = ['-C', seen.source, `O=${seen.build}`, `ARCH=${arch.name}`, jobs, ...compiler, ...targets];
  await writeAtomic(join(build, unfinished), '');
  try {
    await confined('make', words, reach, context, { onLine });
  } catch (error) {
    if (hasFailedByItself(error)) await rm(join(build, unfinished), { force: true });
    throw error;
  }
  await rm(join(build, unfinished), { force: true });
}

/** After a failure of its own make has removed unfinished targets; after a kill it has not. */
function hasFailedByItself(error: unknown): boolean {
  return error instanceof KilnError && (error.cause as { exitCode?: number } | undefined)?.exitCode === 2;
}

/** Debug information has paths relative to the tree, so that it does not depend on the cache's place. */
async function flags({ build, seen }: Seen): Promise<Record<string, string>> {
  if (!(await hasDebugInfo(build))) return {};
  const maps = [seen.source, seen.build].map((dir) => `-fdebug-prefix-map=${dir}=.`).join(' ');
  return { KCFLAGS: maps, KAFLAGS: maps };
}

/** Whether the build directory is configured with debug information. */
export async function hasDebugInfo(build: string): Promise<boolean> {
  const config = await plainFile(build, '.config', largestConfig).catch(() => null);
  return config !== null && /^CONFIG_DEBUG_INFO=y$/m.test(await readFile(config, 'utf8'));
}

/** Bytes. */
const largestConfig = 16 * 2 ** 20;

/**
 * ccache's directory is in Kiln's cache; CCACHE_DISABLE=1 in the environment still turns ccache off. A foreign series
 * may read the cache but not write to it: it could plant objects for later builds.
 */
export async function ccacheReach(
  context: Context,
): Promise<{ env: Record<string, string>; read: string[]; write: string[] }> {
  const dir = join(context.cache, 'ccache');
  await mkdir(dir, { recursive: true });
  const env = { CCACHE_DIR: dir, CCACHE_MAXSIZE: process.env.CCACHE_MAXSIZE ?? '5G' };
  if (!context.sandbox?.flags || !context.sandbox.foreign) return { env, read: [], write: [dir] };
  return { env: { ...env, CCACHE_READONLY: '1', CCACHE_TEMPDIR: '/tmp' }, read: [dir], write: [] };
}
