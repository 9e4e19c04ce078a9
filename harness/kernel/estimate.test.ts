// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { KilnError } from '../errors.ts';
import { git } from '../util/git.ts';
import { type ConfigValues, parseConfig } from './dotConfig.ts';
import {
  announceLargeBuild,
  countObjects,
  describeEstimate,
  estimateBuild,
  requireDisk,
} from './estimate.ts';
import { readKbuild } from './kbuild.ts';

const giB = 2 ** 30;
const [plain, debug] = [parseConfig('CONFIG_KSM=y'), parseConfig('CONFIG_DEBUG_INFO=y')];
const reduced = parseConfig('CONFIG_DEBUG_INFO=y\nCONFIG_DEBUG_INFO_REDUCED=y');

/** Build directories that were measured: objects, MiB. */
const measured: [ConfigValues, number, number][] = [
  [plain, 1110, 228],
  [plain, 1323, 286],
  [plain, 1213, 294],
  [parseConfig('CONFIG_KASAN=y'), 1340, 499],
  [reduced, 1404, 521],
];

for (const [config, objects, mebibytes] of measured)
  test(`${[...config.keys()].join('+')}: ${objects} objects take about ${mebibytes} MiB`, (t) => {
    const ratio = estimateBuild(objects, config, 2).disk / 2 ** 20 / mebibytes;
    t.true(ratio > 0.8 && ratio < 1.6, String(ratio));
  });

test('objects count if they are built in, composed ones with their parts, modules not', (t) => {
  const makefile = `obj-y := a.o
obj-$(CONFIG_NET) += big.o
big-y := b.o c.o
obj-$(CONFIG_KSM) += module.o
obj-$(CONFIG_NO) += no.o
ifeq ($(shell whoami),root)
obj-y += unclear.o
endif
`;
  const kbuild = readKbuild(
    new Map([
      ['Kbuild', 'obj-y += fs/\n'],
      ['fs/Makefile', makefile],
    ]),
  );
  t.is(countObjects(kbuild, parseConfig('CONFIG_NET=y\nCONFIG_KSM=m')), 5);
});

test('a disk with less than half of it is an error, before anything is compiled', (t) => {
  const estimate = { objects: 3000, disk: 5 * giB, memory: giB };
  t.notThrows(() => requireDisk(estimate, 2.5 * giB, debug));
  const error = t.throws<KilnError>(() => requireDisk(estimate, 2.4 * giB, debug));
  t.is(error.code, 'infrastructure');
  t.is(error.message, 'the build needs about 5.0 GiB of disk, and 2.4 GiB are free');
  t.regex(error.hint, /kiln clean.*DEBUG_INFO_NONE=y$/);
  t.notRegex(t.throws<KilnError>(() => requireDisk(estimate, 0, plain)).hint, /DEBUG_INFO/);
});

test('the note has what the build takes and what there is', (t) => {
  const estimate = { objects: 3000, disk: 5 * giB, memory: 2 * giB };
  const machine = { disk: 40 * giB, memory: 8 * giB };
  const text =
    'a large build: about 3000 objects, 5.0 GiB of disk (40.0 GiB free) and 2.0 GiB of memory (8.0 GiB free)';
  t.is(describeEstimate(estimate, machine, plain), text);
  t.is(describeEstimate(estimate, machine, debug), `${text}; --set DEBUG_INFO_NONE=y takes less`);
});

test('only the first build of a large configuration is announced', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [source, build] = [join(dir, 'source'), join(dir, 'build')];
  await Promise.all([mkdir(source), mkdir(build)]);
  await writeFile(join(source, 'Kbuild'), 'obj-y := a.o b.o\n');
  await git(source, ['init', '--quiet']);
  await git(source, ['add', '--all']);
  await git(source, ['commit', '--quiet', '--message', 'a tree']);
  const tree = { gitDir: source, commit: (await git(source, ['rev-parse', 'HEAD'])).stdout };
  const notes = async (options: number) => {
    const config = new Map(Array.from({ length: options }, (_, index) => [`X${index}`, 'y']));
    const found: string[] = [];
    const { signal } = new AbortController();
    await announceLargeBuild(tree, build, config, { signal, note: (_, text) => found.push(text) });
    return found.map((text) => text.split(',')[0]);
  };
  t.deepEqual(await notes(800), []);
  t.deepEqual(await notes(2600), ['a large build: about 2 objects']);
  await writeFile(join(build, 'vmlinux'), '');
  t.deepEqual(await notes(2600), []);
});
