// SPDX-License-Identifier: MIT
// The programs and files that a run needs, each with its probe and its Debian package.
import * as arch from '../guest/arch/x86_64.ts';
import { exec } from '../util/exec.ts';
import { exists } from '../util/files.ts';

export type Requirement = {
  name: string;
  why: string;
  /** Debian's package. */
  package: string;
  /** Returns the version; undefined if it is missing. */
  probe: (signal?: AbortSignal) => Promise<string | undefined>;
};

export type Finding = { requirement: Requirement; version: string | undefined };

/** Everything that a run or `kiln shell` needs besides Node and npm. */
export const requirements: Requirement[] = [
  program('git', 'stores the source, applies the series', 'git'),
  program('gcc', 'compiles kernels and tests', 'gcc'),
  program('ld', 'links', 'binutils'),
  program('make', 'runs kbuild', 'make'),
  program('flex', 'for the kernel', 'flex'),
  program('bison', 'for the kernel', 'bison'),
  program('bc', 'for the kernel', 'bc'),
  program('perl', 'for the kernel', 'perl-base'),
  program('ccache', 'makes repeated builds fast', 'ccache'),
  program('lz4', 'compresses the kernel', 'lz4'),
  program('xz', 'unpacks the source', 'xz-utils'),
  program('tar', 'unpacks the source', 'tar'),
  program('setpriv', 'ends programs when Kiln ends', 'util-linux'),
  program('bwrap', 'sandboxes what a series runs at build time', 'bubblewrap'),
  program('prlimit', 'limits the resources of a build', 'util-linux'),
  program('flock', 'locks the cache between runs', 'util-linux'),
  program('rsync', 'installs the kernel headers', 'rsync'),
  program(arch.qemu, 'runs the guests', arch.packages.qemu),
  file('/usr/include/libelf.h', 'for objtool', 'libelf-dev'),
  file('/usr/include/openssl/opensslv.h', 'for the kernel', 'libssl-dev'),
  file(arch.staticLibc, 'static programs for the guest', arch.packages.libc),
  file('/bin/busybox', 'kiln shell', 'busybox-static'),
];

/** Programs that only some commands use. `why` says what goes without them. */
export const optionalPrograms: Requirement[] = [
  program('b4', 'lore:MESSAGE-ID works only with --inbox', 'b4'),
  program('sparse', 'kiln ci checks without sparse', 'sparse'),
  program(
    'aarch64-linux-gnu-gcc',
    'kiln ci with gcc compiles nothing for arm64',
    'gcc-aarch64-linux-gnu binutils-aarch64-linux-gnu',
  ),
];

/** Probe requirements in parallel. Returns them in their order. */
export async function findRequirements(
  signal?: AbortSignal,
  which: readonly Requirement[] = requirements,
): Promise<Finding[]> {
  return Promise.all(
    which.map(async (requirement) => ({ requirement, version: await requirement.probe(signal) })),
  );
}

function program(name: string, why: string, packageName: string): Requirement {
  const probe = async (signal?: AbortSignal) => {
    const result = await exec(name, ['--version'], { signal, env: { LC_ALL: 'C' } }).catch(() => undefined);
    if (!result) return undefined;
    return (
      result.stdout
        .split('\n')
        .find((line) => /\d/.test(line))
        ?.trim() ?? 'found'
    );
  };
  return { name, why, package: packageName, probe };
}

function file(path: string, why: string, packageName: string): Requirement {
  return {
    name: path,
    why,
    package: packageName,
    probe: async () => ((await exists(path)) ? 'found' : undefined),
  };
}
