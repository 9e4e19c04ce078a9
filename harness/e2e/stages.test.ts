// SPDX-License-Identifier: MIT
// Single stages, with the kernel and the image of the main job from the cache.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { create } from 'tar';
import { nobody, Session } from '../channel/session.ts';
import { cacheDirectory } from '../context.ts';
import { chooseAccelerator } from '../guest/accelerator.ts';
import { startGuest } from '../guest/guest.ts';
import { machineFor } from '../guest/qemu.ts';
import { prepareImage } from '../image/image.ts';
import { findKernel, type Kernel } from '../kernel/kernel.ts';
import { findToolchain } from '../kernel/toolchain.ts';
import { paths } from '../paths.ts';
import type { JobResult } from '../schema.ts';
import { findSuites } from '../suite/suite.ts';
import { quietContext } from '../testing/context.ts';
import { kilnTest } from './kiln.ts';

const { job, kernel } = await kilnTest(
  ['boot'],
  async ({ results }): Promise<{ job: JobResult; kernel: Kernel }> => {
    const first = results.jobs[0]!;
    return { job: first, kernel: (await findKernel(first.kernel!.key, quietContext(cacheDirectory())))! };
  },
);

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-parts-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test.serial('an image made in another cache, at another time, has the same bytes', async (t) => {
  const toolchain = await findToolchain();
  const suites = await findSuites(paths.guestTests);
  const make = async () => {
    const request = { kernel, suites, toolchain, imagesDir: paths.images };
    const { image, cached } = await prepareImage(request, quietContext(await scratch(t)));
    t.false(cached);
    return readFile(image.path);
  };
  const first = await make();
  t.true(first.equals(await make()));
  t.true(first.equals(await readFile(join(cacheDirectory(), 'images', job.keys.image!, 'initramfs.cpio'))));
});

test.serial('files copied to a guest and back are unchanged', async (t) => {
  const dir = await scratch(t);
  await mkdir(join(dir, 'in', 'deep'), { recursive: true });
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 256));
  await writeFile(join(dir, 'in', 'deep', 'bytes'), bytes);
  await writeFile(join(dir, 'in', 'empty'), '');
  const archive = await buffer(create({ cwd: join(dir, 'in'), portable: true }, ['deep', 'empty']));

  const accelerator = await chooseAccelerator('auto', paths.images, quietContext(cacheDirectory()));
  const path = join(cacheDirectory(), 'images', job.keys.image!, 'initramfs.cpio');
  const machine = machineFor({}, { accelerator, kernel, image: { path }, bootWords: '' });
  await using guest = await startGuest(machine, new AbortController().signal);
  const session = new Session(guest, nobody);
  t.falsy((await session.hello(120_000)).loss);
  t.is(await session.send(archive, '/tmp/there', 60_000), null);
  const { files, problem } = await session.fetch('/tmp/there', join(dir, 'out'), 1_000_000, 60_000);
  t.is(problem, null);
  t.deepEqual(files.toSorted(), ['deep/bytes', 'empty']);
  t.true(bytes.equals(await readFile(join(dir, 'out', 'deep', 'bytes'))));
  t.regex((await session.send(Buffer.from('no tar'.padEnd(512, '!')), '/tmp/there', 60_000)) ?? '', /./);
  t.true(await session.powerOff(60_000));
});
