// SPDX-License-Identifier: MIT
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { KilnError } from '../errors.ts';
import { asLine, parseFragment } from './fragment.ts';
import { describeWholeConfig, guestNeeds, readWholeConfig } from './wholeConfig.ts';

test('a whole configuration keeps its modules; what a guest needs beside it is one list', async (t) => {
  const path = await config(
    t,
    '#\n# Linux/x86 6.1.0 Kernel Configuration\n#\nCONFIG_X86_64=y\nCONFIG_VIRTIO_PCI=m\nCONFIG_KSM=m\n# CONFIG_PVH is not set\n',
  );
  const whole = await readWholeConfig(path);
  t.deepEqual(whole.fragment.wishes.map(asLine), [
    'CONFIG_X86_64=y',
    'CONFIG_VIRTIO_PCI=m',
    'CONFIG_KSM=m',
    '# CONFIG_PVH is not set',
  ]);
  const base = parseFragment(
    'base',
    'CONFIG_VIRTIO_PCI=y\nCONFIG_X86_64=y\nCONFIG_PVH=y\n# kiln: preferred\nCONFIG_KSM=y',
  ).fragment;
  t.deepEqual(describeWholeConfig(whole, [base, guestNeeds]), [
    `changed in ${path}, because a guest needs it: CONFIG_VIRTIO_PCI=y (m there), CONFIG_PVH=y (n there)`,
    `2 options of ${path} are =m, and no modules are built: --set X=y builds X in`,
  ]);
});

test('files of its author are left out and named, the values of every tree are not', async (t) => {
  const foreign = [
    'CONFIG_SYSTEM_TRUSTED_KEYS="debian/certs/a.pem"',
    'CONFIG_MODULE_SIG_KEY="/etc/keys/module.pem"',
    'CONFIG_INITRAMFS_SOURCE="/srv/root.cpio"',
  ];
  const plain = ['CONFIG_X86_64=y', 'CONFIG_EXTRA_FIRMWARE=""', 'CONFIG_LSM="yama"'];
  const path = await config(t, [...foreign, ...plain].join('\n'));
  const whole = await readWholeConfig(path);
  t.deepEqual(whole.fragment.wishes.map(asLine), plain);
  t.deepEqual(describeWholeConfig(whole, []), [
    `left out of ${path}, because only its author has these files: ${foreign.join(', ')}`,
  ]);
  const other = await config(t, 'CONFIG_X86_64=y\nCONFIG_MODULE_SIG_KEY="certs/signing_key.pem"\n');
  t.deepEqual(describeWholeConfig(await readWholeConfig(other), []), []);
});

test("a built-in command line does not take the place of the guest's", async (t) => {
  const path = await config(t, 'CONFIG_X86_64=y\nCONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE_OVERRIDE=y\n');
  t.deepEqual(describeWholeConfig(await readWholeConfig(path), [guestNeeds]), [
    `changed in ${path}, because a guest needs it: # CONFIG_CMDLINE_OVERRIDE is not set (y there)`,
  ]);
});

test('a configuration of another architecture is refused by its name', async (t) => {
  const path = await config(t, '# Linux/arm64 6.1.0 Kernel Configuration\nCONFIG_ARM64=y\n');
  const error = await t.throwsAsync<KilnError>(readWholeConfig(path));
  t.is(error.code, 'bad-input');
  t.regex(error.message, /is no configuration for x86_64, but for arm64$/);
});

async function config(t: ExecutionContext, text: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, 'config');
  await writeFile(path, text);
  return path;
}
