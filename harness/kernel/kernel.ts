// SPDX-License-Identifier: MIT
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import * as arch from '../guest/arch/x86_64.ts';
import { onlyPlain, plainFile } from '../sandbox/plain.ts';
import { confined } from '../sandbox/sandbox.ts';
import type { Tree } from '../tree/tree.ts';
import { markUsed } from '../util/cache.ts';
import { makeDirectory, readCachedJson, writeAtomic } from '../util/files.ts';
import { contentKey, treeKey } from '../util/hash.ts';
import { compile } from './compile.ts';
import { configNotes, findUnmet, type Reason, requireConfig } from './config.ts';
import { type Configured, configure } from './configure.ts';
import type { Diagnostic } from './diagnostics.ts';
import { parseConfig } from './dotConfig.ts';
import { announceLargeBuild } from './estimate.ts';
import { asLine, type Fragment, lastWishes } from './fragment.ts';
import { hasDebugInfo, kernelMake } from './make.ts';
import { type CodeHashes, compareCode, hashCode, isSameCode } from './sameCode.ts';
import type { Toolchain } from './toolchain.ts';
import { compileWithWarnings, warningsOfSeries } from './warnings.ts';
import { openWorkspace, readBuilt, type Workspace } from './workspace.ts';

/** The results of a build, in one directory of the cache. Later stages need nothing else of the tree's build. */
export type Kernel = {
  key: string;
  /**
   * Absolute. Holds vmlinux, vmlinux.debug if there is debug information, the boot image (bzImage), config, System.map,
   * build.log, headers/, selftests/, tree/ and gen_init_cpio.
   */
  dir: string;
  release: string;
  /** Hash of headers/, selftests/ and tree/, all that test programs depend on. */
  headersKey: string;
  /** W=1 warnings in the files touched by the series. */
  warnings: Diagnostic[];
  /** Why symbols did not get the value that a fragment wishes for. Keys are symbols. */
  reasons: Record<string, Reason>;
};

export type KernelRequest = {
  tree: Tree;
  fragments: Fragment[];
  /** Give symbols that no fragment names Kconfig's default in place of n. */
  defaults: boolean;
  toolchain: Toolchain;
  buildName: string;
  /** Compile the files that the series touches with W=1, too. */
  checksWarnings: boolean;
};

/** Changed when the layout of a kernel's directory changes. */
const layout = 'kernel 3';

/** Computed without a build. */
export function kernelKey({ tree, fragments, defaults, toolchain, checksWarnings }: KernelRequest): string {
  return contentKey(
    layout,
    tree.content,
    ...lastWishes(fragments).map(asLine),
    defaults ? 'alldefconfig' : 'allnoconfig',
    toolchain.id,
    ...(checksWarnings ? [] : ['no W=1']),
  );
}

/** Look the kernel up in the cache. */
export async function findKernel(key: string, context: Context): Promise<Kernel | undefined> {
  const dir = join(context.cache, 'kernels', key);
  const found = await readCachedJson<Kernel>(join(dir, 'kernel.json'));
  if (!found?.release) return undefined;
  await markUsed(dir);
  return { ...found, dir };
}

/**
 * Compare a configuration with what the fragments wish for. Throws config-missing if a symbol that is needed has another
 * value. Returns sentences about others.
 * @param all all fragments of this kernel: what a later one of them sets otherwise is not missing
 */
export function checkConfig(
  { config, reasons }: Configured,
  fragments: readonly Fragment[],
  all: readonly Fragment[],
): string[] {
  const last = new Map(lastWishes(all).map(({ symbol, value }) => [symbol, value]));
  const unmet = findUnmet(fragments, config).filter(
    ({ need, symbol, value }) => need !== 'preferred' || (last.get(symbol) ?? value) === value,
  );
  requireConfig(unmet, reasons);
  return configNotes(unmet, reasons, fragments);
}

/** Whether all wishes came true in a kernel. */
export async function hasConfig(kernel: Kernel, fragments: readonly Fragment[]): Promise<boolean> {
  return findUnmet(fragments, (await readConfigured(kernel)).config).length === 0;
}

/** How a kernel was configured. */
export async function readConfigured({ dir, reasons }: Kernel): Promise<Configured> {
  return { config: parseConfig(await readFile(join(dir, 'config'), 'utf8')), reasons };
}

/** What looks at a build under way. */
export type BuildWatcher = {
  /** Before the kernel is compiled. */
  onConfigured?: (configured: Configured) => void;
  /** When it has been, and its objects are there; not called for a kernel that is in the cache. */
  onBuilt?: ((workspace: Workspace) => Promise<void>) | undefined;
};

/** Configure and build. Throws config-missing or does-not-build. */
export async function buildKernel(
  request: KernelRequest,
  context: Context,
  watcher: BuildWatcher = {},
): Promise<Kernel> {
  const key = kernelKey(request);
  const { tree, toolchain } = request;
  await using workspace = await openWorkspace(tree, request.buildName, toolchain, context);
  const meanwhile = await findKernel(key, context);
  if (meanwhile) {
    watcher.onConfigured?.(await readConfigured(meanwhile));
    return meanwhile;
  }
  const configured = await configure(workspace, request, context);
  const { reasons } = configured;
  watcher.onConfigured?.(configured);
  await announceLargeBuild(tree, workspace.build, configured.config, context);
  const dir = join(context.cache, 'kernels', key);
  await mkdir(join(context.cache, 'kernels'), { recursive: true });
  const log = await compile(workspace, tree, join(context.cache, 'build-failed.log'), context);
  // Without its objects the kernel can be tested, and not be compared.
  const code = await hashCode(workspace.build).catch(() => null);
  await watcher.onBuilt?.(workspace);
  const warnings = request.checksWarnings ? await warningsOfSeries(workspace, tree, context) : [];
  await makeDirectory(dir, async (temporary) => {
    await collect(workspace, temporary, context);
    await writeAtomic(join(temporary, 'build.log'), log);
    if (code) await writeAtomic(join(temporary, codeFile), JSON.stringify(code));
    const headersKey = contentKey(
      await treeKey(join(temporary, 'headers')),
      await treeKey(join(temporary, 'selftests')),
      await treeKey(join(temporary, 'tree')),
    );
    const release = (await readBuilt(workspace, 'include/config/kernel.release')).trim();
    const kernel: Omit<Kernel, 'dir'> = { key, release, headersKey, warnings, reasons };
    await writeAtomic(join(temporary, 'kernel.json'), JSON.stringify(kernel));
  });
  return (await findKernel(key, context))!;
}

/** Hashes of a kernel's objects. */
const codeFile = 'code.json';

/** Whether two kernels have the same code and data in memory; null if that is not known. */
export async function haveSameCode(one: Kernel, other: Kernel): Promise<boolean | null> {
  const [before, after] = await Promise.all(
    [one, other].map(({ dir }) => readCachedJson<CodeHashes>(join(dir, codeFile))),
  );
  return before && after ? isSameCode(compareCode(before, after)) : null;
}

/**
 * Warnings with W=1 in C files, of a kernel that was built: from the cache, else from the build directory, which make
 * brings up to date first.
 */
export async function readWarnings(
  request: KernelRequest,
  files: readonly string[],
  context: Context,
): Promise<Diagnostic[]> {
  const key = contentKey('warnings 1', kernelKey(request), ...files);
  const record = join(context.cache, 'known', 'warnings', `${key}.json`);
  const found = await readCachedJson<Diagnostic[]>(record);
  if (Array.isArray(found)) return found;
  await using workspace = await openWorkspace(request.tree, request.buildName, request.toolchain, context);
  await configure(workspace, request, context);
  const warnings = await compileWithWarnings(workspace, request.tree, files, context);
  await writeAtomic(record, JSON.stringify(warnings));
  return warnings;
}

/** Guests boot vmlinux without debug information, which is many times as large as the rest. */
async function collectVmlinux(build: string, dir: string, context: Context): Promise<void> {
  const vmlinux = await plainFile(build, 'vmlinux');
  const stripped = join(dir, 'vmlinux');
  if (!(await hasDebugInfo(build))) return copyFile(vmlinux, stripped);
  const reach = { cwd: dir, read: [vmlinux], write: [dir], env: {} };
  const apart = ['--only-keep-debug', '--compress-debug-sections', vmlinux, join(dir, 'vmlinux.debug')];
  await confined('objcopy', apart, reach, context);
  await confined('objcopy', ['--strip-debug', vmlinux, stripped], reach, context);
}

async function collect(workspace: Workspace, dir: string, context: Context): Promise<void> {
  const { source, build } = workspace;
  context.progress('installing headers');
  const headers = join(dir, 'headers');
  await mkdir(headers);
  const words = ['headers_install', `INSTALL_HDR_PATH=${headers}`];
  await kernelMake(workspace, words, context, () => {}, { write: [headers] });
  await onlyPlain(headers);
  await collectVmlinux(build, dir, context);
  await Promise.all(
    [
      [arch.imagePath, arch.image],
      ['.config', 'config'],
      ['System.map', 'System.map'],
      ['usr/gen_init_cpio', 'gen_init_cpio'],
    ].map(async ([from, to]) => copyFile(await plainFile(build, from!), join(dir, to!))),
  );
  // Tests include the headers directly below tools/testing/selftests as "../x.h" or "x.h".
  await copyHeaders(source, 'tools/testing/selftests', join(dir, 'selftests'));
  // And with -I$(top_srcdir) as <include/vdso/x.h>.
  await copyHeaders(source, 'include/vdso', join(dir, 'tree', 'include', 'vdso'));
}

async function copyHeaders(source: string, from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const names = await readdir(join(source, from)).catch(() => []);
  for (const name of names.filter((file) => file.endsWith('.h')))
    await copyFile(await plainFile(source, join(from, name)), join(to, name));
}
