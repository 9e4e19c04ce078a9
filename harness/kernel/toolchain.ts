// SPDX-License-Identifier: MIT
import { exec } from '../util/exec.ts';
import { contentKey } from '../util/hash.ts';

/** The compiler and linker of kernels and test programs. `id` is part of cache keys. */
export type Toolchain = { id: string; compiler: string; linker: string };

/** By the programs' --version, which differs for a new package of the same release. */
export async function findToolchain(signal?: AbortSignal): Promise<Toolchain> {
  const first = async (file: string) =>
    (await exec(file, ['--version'], { signal, env: { LC_ALL: 'C' } })).stdout.split('\n')[0] ?? '';
  const [compiler, linker] = await Promise.all([first('gcc'), first('ld')]);
  return { id: contentKey('toolchain', compiler, linker), compiler, linker };
}
