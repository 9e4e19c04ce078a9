// SPDX-License-Identifier: MIT
import { exec } from '../util/exec.ts';
import { contentKey } from '../util/hash.ts';

/** What compiles kernels and test programs. `id` changes when any of them does. */
export type Toolchain = { id: string; compiler: string; linker: string };

/** Ask the programs themselves; a new compiler package makes new keys. */
export async function findToolchain(signal?: AbortSignal): Promise<Toolchain> {
  const first = async (file: string) =>
    (await exec(file, ['--version'], { signal, env: { LC_ALL: 'C' } })).stdout.split('\n')[0] ?? '';
  const [compiler, linker] = await Promise.all([first('gcc'), first('ld')]);
  return { id: contentKey('toolchain', compiler, linker), compiler, linker };
}
