// SPDX-License-Identifier: MIT
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Toolchain } from '../kernel/toolchain.ts';
import { confined } from '../sandbox/sandbox.ts';
import { beside, type Program, type Suite } from '../suite/suite.ts';
import { markUsed } from '../util/cache.ts';
import { exists, makeDirectory, readCachedJson } from '../util/files.ts';
import { contentKey, sha256File, treeKey } from '../util/hash.ts';
import { lock } from '../util/lock.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { type Broken, compileAgent, compileSuite } from './compile.ts';
import { sharedHeadersKey } from './headers.ts';

/**
 * The initramfs that guests boot. Tests are at /tests/<suite>/<test>. `broken`: programs that don't build and are not
 * there, by `suite/program`. `programs`: a content key of each suite's programs, by suite.
 */
export type Image = {
  key: string;
  path: string;
  broken: Record<string, Broken>;
  programs: Record<string, string>;
};

export type ImageRequest = {
  kernel: Kernel;
  suites: Suite[];
  toolchain: Toolchain;
  /** The project's images/ directory. */
  imagesDir: string;
  /** Host path of a static busybox to pack, for interactive guests. */
  busybox?: string;
  /** Pack only the programs of this name. */
  only?: string;
};

/** Computed without building the image. */
async function imageKey(request: ImageRequest, programs: Image['programs']): Promise<string> {
  const suites = request.suites.map((suite) => [
    programs[suite.name]!,
    ...packed(suite, request).map(({ name }) => name),
  ]);
  const busybox = request.busybox === undefined ? [] : [await readFile(request.busybox)];
  const agent = await treeKey(join(request.imagesDir, 'agent'));
  const manifest = await readFile(join(request.imagesDir, 'manifest'));
  // gen_init_cpio comes from the tested tree. A manipulated one must not affect the images of other trees.
  const packer = await sha256File(join(request.kernel.dir, 'gen_init_cpio'));
  const parts = [request.kernel.headersKey, packer, request.toolchain.id, agent, manifest];
  return contentKey('image 4', ...parts, ...suites.flat(), ...busybox);
}

async function programsKeys(request: ImageRequest): Promise<Image['programs']> {
  const entries = request.suites.map(
    async (suite) => [suite.name, await programsKey(suite, request)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** A suite's programs are cached apart from images: they take longest, and images combine them in many ways. */
async function programsKey(suite: Suite, request: ImageRequest): Promise<string> {
  const { kernel, toolchain, imagesDir } = request;
  const runtime = await treeKey(join(imagesDir, 'runtime'));
  // The sources behind <kiln.h> share a header with the agent.
  const agent = await treeKey(join(imagesDir, 'agent'));
  const shared = await sharedHeadersKey(suite);
  const own = await treeKey(suite.dir, beside);
  return contentKey('programs 4', kernel.headersKey, toolchain.id, runtime, agent, shared, suite.name, own);
}

/** Get the image from the cache, or compile and pack it. */
export async function prepareImage(
  request: ImageRequest,
  context: Context,
): Promise<{ image: Image; cached: boolean }> {
  const programs = await programsKeys(request);
  const key = await imageKey(request, programs);
  const dir = join(context.cache, 'images', key);
  const path = join(dir, 'initramfs.cpio');
  const read = async (): Promise<Image> => ({
    ...{ key, path, programs },
    broken: (await readCachedJson<Image['broken']>(join(dir, brokenFile))) ?? {},
  });
  if (await exists(path)) {
    await markUsed(dir);
    return { image: await read(), cached: true };
  }
  await using _lock = await lock(join(context.cache, 'locks', `image-${key}`), {
    signal: context.signal,
    onWait: () => context.note('info', 'another run is making the same image: waiting for it'),
  });
  if (await exists(path)) return { image: await read(), cached: true };
  await using scratch = await scratchDirectory(join(context.cache, 'scratch'));
  await makeDirectory(dir, (temporary) => make(request, scratch.path, temporary, context));
  return { image: await read(), cached: false };
}

/** In the directory of an image, and in that of a suite's programs. No program has such a name. */
const brokenFile = '.broken.json';

async function make(request: ImageRequest, scratch: string, output: string, context: Context): Promise<void> {
  const root = join(scratch, 'root');
  await mkdir(root);
  await compileAgent(join(request.imagesDir, 'agent'), join(root, 'init'), scratch, context);
  const broken: Image['broken'] = {};
  for (const suite of request.suites) {
    const from = await preparePrograms(suite, request, context);
    const ofSuite = (await readCachedJson<Broken[]>(join(from, brokenFile))) ?? [];
    for (const one of ofSuite) broken[`${suite.name}/${one.program}`] = one;
    const to = join(root, 'tests', suite.name);
    await mkdir(to, { recursive: true });
    for (const { name } of packed(suite, request))
      if (!ofSuite.some(({ program }) => program === name)) await copyFile(join(from, name), join(to, name));
  }
  await writeFile(join(output, brokenFile), JSON.stringify(broken));
  if (request.busybox) await copyFile(request.busybox, join(root, 'busybox'));
  context.progress('packing');
  const list = [
    await readFile(join(request.imagesDir, 'manifest'), 'utf8'),
    'file /init init 0755 0 0',
    ...(request.busybox ? ['file /bin/busybox busybox 0755 0 0', 'slink /bin/sh busybox 0777 0 0'] : []),
    ...(await testEntries(join(root, 'tests'))),
  ];
  await writeFile(join(root, 'list'), `${list.join('\n')}\n`);
  // Paths are relative, because gen_init_cpio's list has no quoting. -t 0 fixes the times, for a reproducible image.
  const packer = join(request.kernel.dir, 'gen_init_cpio');
  const path = join(output, 'initramfs.cpio');
  const reach = { cwd: root, read: [root, packer], write: [output], env: {} };
  await confined('sh', ['-c', 'exec "$0" -t 0 list > "$1"', packer, path], reach, context);
}

function packed({ programs }: Suite, { only }: ImageRequest): Program[] {
  return programs.filter(({ name }) => only === undefined || name === only);
}

/** Find a suite's programs in the cache, or compile them. Returns their directory; its `brokenFile` has the others. */
async function preparePrograms(suite: Suite, request: ImageRequest, context: Context): Promise<string> {
  const key = await programsKey(suite, request);
  const dir = join(context.cache, 'programs', key);
  if (await exists(dir)) {
    await markUsed(dir);
    return dir;
  }
  await using _lock = await lock(join(context.cache, 'locks', `programs-${key}`), { signal: context.signal });
  if (await exists(dir)) return dir;
  await using scratch = await scratchDirectory(join(context.cache, 'scratch'));
  const runtime = join(request.imagesDir, 'runtime');
  await makeDirectory(dir, async (temporary) => {
    const broken = await compileSuite(suite, request.kernel, temporary, scratch.path, runtime, context);
    await writeFile(join(temporary, brokenFile), JSON.stringify(broken));
  });
  return dir;
}

async function testEntries(dir: string): Promise<string[]> {
  if (!(await exists(dir))) return [];
  const entries: string[] = [];
  for (const suite of (await readdir(dir)).sort()) {
    entries.push(`dir /tests/${suite} 0755 0 0`);
    for (const test of (await readdir(join(dir, suite))).sort())
      entries.push(`file /tests/${suite}/${test} tests/${suite}/${test} 0755 0 0`);
  }
  return entries;
}
