// SPDX-License-Identifier: MIT
import { mkdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import * as arch from '../guest/arch/x86_64.ts';
import { plainFile } from '../sandbox/plain.ts';
import { buildLimits, confined, type Limits, type Mount, type Reach } from '../sandbox/sandbox.ts';
import { writeAtomic } from '../util/files.ts';
import { type Build, unfinished } from './workspace.ts';

export type MakeOptions = {
  /** Writable directories beside the build directory. */
  write?: Mount[];
  /** Pass stdout and stderr on in the order in which make wrote them. Otherwise each is read by itself. */
  inOrder?: boolean;
  limits?: Limits;
};

/**
 * Run the kernel's make out of tree, in the sandbox, with ccache and on all cores. The kernel does not depend on the
 * host's name, the user or the time. Throws exec's error if make fails, and does-not-build if it exceeds its limits.
 * @param onLine called for each line of output, all of it before an error is thrown
 */
export async function kernelMake(
  workspace: Build,
  targets: string[],
  context: Context,
  onLine: (line: string) => void = () => {},
  { write = [], inOrder = false, limits = buildLimits }: MakeOptions = {},
): Promise<void> {
  const { source, build, seen, compiler } = workspace;
  const jobs = `-j${availableParallelism()}`;
  const ccache = await ccacheReach(context);
  const reach: Reach = {
    cwd: seen.build,
    read: [[source, seen.source], ...ccache.read],
    write: [[build, seen.build], ...write, ...ccache.write],
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
    const [file, ...args] = inOrder ? [...inOneStream, ...words] : ['make', ...words];
    await confined(file!, args, reach, context, { onLine }, limits);
  } catch (error) {
    if (hasFailedByItself(error)) await rm(join(build, unfinished), { force: true });
    throw error;
  }
  await rm(join(build, unfinished), { force: true });
}

/** The name of the shell's script is that of the program in its messages. */
const inOneStream = ['sh', '-c', 'exec make "$@" 2>&1', 'make'];

/** After a failure of its own make has removed unfinished targets; after a kill it has not. */
function hasFailedByItself(error: unknown): boolean {
  return error instanceof KilnError && (error.cause as { exitCode?: number } | undefined)?.exitCode === 2;
}

/** Debug information has paths relative to the tree, so that it does not depend on the cache's place. */
async function flags({ build, seen }: Build): Promise<Record<string, string>> {
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
