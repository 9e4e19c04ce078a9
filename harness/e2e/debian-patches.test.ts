// SPDX-License-Identifier: MIT
// Ten real patches, as Debian's source package has them, patch by patch on upstream's source.
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test from 'ava';
import type { CheckResult } from '../schema.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { type DebianSource, fetchDebianSource } from './debianSource.ts';
import { sharedRun } from './kiln.ts';

/**
 * Mails with a change of code that x86 can build, each of few files, no header among them, and applying one after
 * another without Debian's other patches. In their order.
 */
const chosen = [
  'features/x86/intel-iommu-add-option-to-exclude-integrated-gpu-only.patch',
  'features/x86/intel-iommu-add-kconfig-option-to-exclude-igpu-by-default.patch',
  'bugfix/x86/viafb-autoload-on-olpc-xo1.5-only.patch',
  'features/x86/x86-memtest-WARN-if-bad-RAM-found.patch',
  'bugfix/all/disable-some-marvell-phys.patch',
  'features/all/lockdown/mtd-disable-slram-and-phram-when-locked-down.patch',
  'features/all/db-mok-keyring/0003-MODSIGN-checking-the-blacklisted-hash-before-loading-a-kernel-module.patch',
  'features/all/db-mok-keyring/KEYS-Make-use-of-platform-keyring-for-module-signature.patch',
  'features/all/db-mok-keyring/trust-machine-keyring-by-default.patch',
  'bugfix/all/module-disable-matching-missing-version-crc.patch',
];

/** Of these at least, the kernel must have code. */
const compiled = ['drivers/iommu/intel/iommu.c', 'drivers/net/phy/marvell.c', 'mm/memtest.c'];

const scratch = await scratchDirectory(tmpdir());
const source = await fetchDebianSource(scratch.path);
const series = await makeSeries(source, join(scratch.path, 'debian-patches'));
// Linux 6.12 can crash at boot without this fix.
const options = [series, '--base', source.base, '--with', 'ioapic-race', '--no-debug'];
const shared = sharedRun(options, {}, 'ci');

/** The chosen patches, as a series in the form of quilt. */
async function makeSeries({ version, patches }: DebianSource, dir: string): Promise<string> {
  const all = (await readFile(join(patches, 'series'), 'utf8')).split('\n');
  const gone = chosen.filter((name) => !all.includes(name));
  if (gone.length > 0)
    throw new Error(
      `linux ${version} of Debian has no longer ${gone.join(', ')}: choose others of its debian/patches/series`,
    );
  await mkdir(dir);
  for (const name of chosen) await copyFile(join(patches, name), join(dir, basename(name)));
  await writeFile(join(dir, 'series'), chosen.map((name) => `${basename(name)}\n`).join(''));
  return dir;
}

test('each of ten patches of Debian applies, builds and boots', (t) => {
  const { results } = shared.ran;
  const { patches } = results.ci!;
  t.is(patches.length, chosen.length);
  for (const { subject, checks, job } of patches) {
    const of = (name: CheckResult['name']) => checks.find((check) => check.name === name);
    for (const name of ['apply', 'build'] as const)
      t.like(of(name), { status: 'pass' }, `${subject}: ${name}`);
    // What changes a module's table of devices only changes no code of a kernel that has the driver built in.
    if (of('tests')?.status === 'skip') t.regex(of('tests')!.summary, /^no code changed/, subject);
    else t.like(of('boot'), { status: 'pass' }, `${subject}: boot`);
    t.truthy(results.jobs.find(({ id }) => id === job)?.kernel, subject);
  }
  const booted = patches.filter(({ checks }) => checks.some(({ name }) => name === 'boot'));
  t.true(booted.length >= 6, `only ${booted.length} patches change code`);
});

test('the files that they touch are compiled, or the reason is said', (t) => {
  const files = shared.ran.results.ci!.patches.flatMap((patch) => patch.files);
  for (const { path, compiled: is, reason } of files)
    if (is !== true) t.truthy(reason, `${path}: neither compiled nor explained`);
  for (const path of compiled) t.true(files.find((file) => file.path === path)?.compiled, path);
  const places = new Set(files.filter((file) => file.compiled).map(({ path }) => path.split('/')[0]));
  t.true(places.size >= 3, [...places].join(' '));
});

test('they break nothing', (t) => {
  const { exitCode, results } = shared.ran;
  t.deepEqual(
    results.ci!.changes.filter(({ kind }) => kind === 'new-failure'),
    [],
  );
  t.deepEqual(results.ci!.failures, []);
  t.is(exitCode, 0);
});
