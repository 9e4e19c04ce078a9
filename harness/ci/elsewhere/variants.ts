// SPDX-License-Identifier: MIT
// Where else the files that a series touches are compiled: other architectures, other options, another compiler.
import { type Fragment, parseFragment } from '../../kernel/fragment.ts';
import { findToolchain, type Toolchain } from '../../kernel/toolchain.ts';
import type { FileWish } from '../../kernel/touchedConfig.ts';
import { exec } from '../../util/exec.ts';
import { contentKey } from '../../util/hash.ts';

/** One way to compile the touched files. */
export type Variant = {
  /** For people. */
  name: string;
  /** Of its build directory. */
  buildName: string;
  /** `make` also chooses the architecture. */
  toolchain: Toolchain;
  /** What is set beyond the configuration of the run. */
  fragment: Fragment;
  /** For make. */
  words: string[];
  /** What counts: see ObjectsOptions. */
  tool: string | null;
  /** An architecture whose own files are compiled, too: `arm64`. */
  arch: string | null;
  /** As what a file has to be built, to count: `m`; null: as anything. */
  as: 'm' | null;
};

export type Variants = {
  variants: Variant[];
  /** Those that this machine can't make: `no sparse`. */
  missing: string[];
};

type Request = {
  /** That of the run. */
  toolchain: Toolchain;
  buildName: string;
  wishes: readonly FileWish[];
  /** Options that the series adds. */
  ownOptions: readonly string[];
};

/** Find those that make sense for a series and work on this machine. */
export async function findVariants(request: Request, signal: AbortSignal): Promise<Variants> {
  const { toolchain, ownOptions, wishes, buildName } = request;
  const [i386, arm64, sparse] = await Promise.all([
    find32bit(toolchain, signal),
    findArm64(toolchain, signal),
    findSparse(toolchain, signal),
  ]);
  const tristates = [...new Set(wishes.flatMap(({ tristate }) => tristate ?? []))];
  const common = { words: ['W=1'], tool: null, arch: null, as: null, toolchain, fragment: asFragment([]) };
  const named = (name: string, word: string) => ({ ...common, name, buildName: `${buildName}.${word}` });
  const found: (Variant | null)[] = [
    i386 && { ...named('i386', 'i386'), toolchain: i386 },
    arm64 && { ...named('arm64', 'arm64'), toolchain: arm64, arch: 'arm64' },
    tristates.length === 0
      ? null
      : {
          ...named('=m', 'm'),
          as: 'm',
          fragment: asFragment(['MODULES=y', ...tristates.map((one) => `${one}=m`)]),
        },
    ownOptions.length === 0
      ? null
      : { ...named('off', 'off'), fragment: asFragment(ownOptions.map((one) => `${one}=n`)) },
    sparse && {
      ...named('sparse', 'sparse'),
      words: ['C=1', 'CHECK=sparse'],
      tool: 'CHECK',
      toolchain: sparse,
    },
  ];
  const missing = [
    ...(i386 ? [] : [`no i386 (${toolchain.compiler} has no -m32)`]),
    ...(arm64 ? [] : ['no arm64 compiler']),
    ...(sparse ? [] : ['no sparse']),
  ];
  return { variants: found.filter((one) => one !== null), missing };
}

/** Of variables that are set twice on a command line, make takes the last: this one replaces Kiln's own ARCH. */
function forArch(toolchain: Toolchain, arch: string, more: string[] = []): Toolchain {
  return {
    ...toolchain,
    id: contentKey(toolchain.id, arch),
    make: [...toolchain.make, `ARCH=${arch}`, ...more],
  };
}

async function find32bit(toolchain: Toolchain, signal: AbortSignal): Promise<Toolchain | null> {
  const works = await canCompile(programOf(toolchain), '-m32', signal);
  return works ? forArch(toolchain, 'i386') : null;
}

const cross = 'aarch64-linux-gnu-';

/** clang compiles for all architectures; of gcc, there is one for each. */
async function findArm64(toolchain: Toolchain, signal: AbortSignal): Promise<Toolchain | null> {
  if (toolchain.make.some((word) => word.startsWith('LLVM='))) {
    const works = await canCompile(programOf(toolchain), '--target=aarch64-linux-gnu', signal);
    return works ? forArch(toolchain, 'arm64') : null;
  }
  const found = await findToolchain({ llvm: null, cc: `${cross}gcc` }, signal).catch(() => null);
  signal.throwIfAborted();
  return found && forArch(found, 'arm64', [`CROSS_COMPILE=${cross}`]);
}

async function findSparse(toolchain: Toolchain, signal: AbortSignal): Promise<Toolchain | null> {
  const found = await exec('sparse', ['--version'], { signal }).catch(() => null);
  signal.throwIfAborted();
  return found && { ...toolchain, id: contentKey(toolchain.id, 'sparse', found.stdout, found.stderr) };
}

/** As `CC=ccache gcc` names it. */
function programOf({ make }: Toolchain): string {
  return make
    .findLast((word) => word.startsWith('CC='))!
    .split(' ')
    .at(-1)!;
}

async function canCompile(compiler: string, flag: string, signal: AbortSignal): Promise<boolean> {
  const words = [flag, '-c', '-x', 'c', '/dev/null', '-o', '/dev/null'];
  const done = await exec(compiler, words, { signal }).catch(() => null);
  signal.throwIfAborted();
  return done !== null;
}

/** @param lines such as `NET=m` */
function asFragment(lines: readonly string[]): Fragment {
  const text = lines.map((line) => `CONFIG_${line}`).join('\n');
  return parseFragment('elsewhere', text, { need: 'preferred', keepsModules: true }).fragment;
}
