// SPDX-License-Identifier: MIT
import { KilnError } from '../errors.ts';
import { exec } from '../util/exec.ts';
import { contentKey } from '../util/hash.ts';

/** A compiler and a linker. */
export type Toolchain = {
  /** Part of cache keys. */
  id: string;
  /** The first line of its --version. */
  compiler: string;
  linker: string;
  /** The words that choose it for the kernel's make. */
  make: string[];
};

/** The kernel's compiler; gcc if all are null. */
export type CompilerChoice = {
  /** LLVM's tools: the value of make's LLVM=, which is 1, a suffix such as -19, or a directory that ends with `/`. */
  llvm: string | null;
  /** A program, as in make's CC=. */
  cc: string | null;
};

/**
 * Find a compiler by its --version, which differs for a new package of the same release. Test programs are always
 * compiled with the default. Throws bad-input if the programs are not there.
 */
export async function findToolchain(
  { llvm, cc }: CompilerChoice = { llvm: null, cc: null },
  signal?: AbortSignal,
): Promise<Toolchain> {
  const isDirectory = llvm?.endsWith('/');
  const tool = (name: string) =>
    isDirectory ? `${llvm}${name}` : `${name}${llvm === '1' || llvm === null ? '' : llvm}`;
  const [compiler, linker] = llvm === null ? [cc ?? 'gcc', 'ld'] : [cc ?? tool('clang'), tool('ld.lld')];
  const version = async (program: string) => {
    const result = await exec(program, ['--version'], { signal, env: { LC_ALL: 'C' } }).catch((cause) => {
      signal?.throwIfAborted();
      throw new KilnError(
        'bad-input',
        `${program} can't be run: it is no program, or does not know --version`,
        {
          hint: `install it, or choose another compiler with --llvm or --cc`,
          cause,
        },
      );
    });
    return result.stdout.split('\n')[0] ?? '';
  };
  const versions = await Promise.all([version(compiler), version(linker)]);
  const host = llvm === null ? 'gcc' : tool('clang');
  return {
    id: contentKey('toolchain', ...versions),
    compiler: versions[0],
    linker: versions[1],
    make: [...(llvm === null ? [] : [`LLVM=${llvm}`]), `CC=ccache ${compiler}`, `HOSTCC=ccache ${host}`],
  };
}
