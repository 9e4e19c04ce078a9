// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from './dotConfig.ts';
import { countObjects, readMakefile } from './objects.ts';

const config = parseConfig('CONFIG_NET=y\nCONFIG_KSM=m\nCONFIG_NUMBER=4');
const cases: [string, number, string[]][] = [
  ['obj-y := a.o b.o \\\n\tc.o # d.o\n', 3, []],
  ['obj-$(CONFIG_NET) += a.o net/\nobj-$(CONFIG_KSM) += b.o ksm/\nobj-$(CONFIG_NO) += c.o\n', 1, ['net/']],
  ['obj-$(subst m,y,$(CONFIG_KSM)) += built-in.o\n', 1, []],
  ['obj-y += big.o\nbig-y := a.o b.o\nbig-$(CONFIG_NET) += c.o\nbig-$(CONFIG_NO) += d.o\n', 4, []],
  ['obj-y += big.o\nbig-objs := a.o b.o\nother-y := c.o\n', 3, []],
  ['lib-y := a.o\nsubdir-y := elsewhere/\nccflags-y := -Ifoo.o\n', 1, []],
  ['ifdef CONFIG_NET\nobj-y += a.o b.o\nelse\nobj-y += c.o\nendif\nobj-y += d.o\n', 3, []],
  ['ifndef CONFIG_NET\nobj-y += a.o\nendif\nifeq ($(CONFIG_KSM),m)\nobj-y += b.o\nendif\n', 1, []],
  ['ifneq ($(CONFIG_NO),)\nifdef CONFIG_NET\nobj-y += a.o\nendif\nendif\n', 0, []],
  ['obj-y += arch/$(SRCARCH)/\n', 0, ['arch/x86/']],
];

for (const [text, objects, dirs] of cases)
  test(`${JSON.stringify(text)} counts as ${objects}`, (t) => {
    t.deepEqual(readMakefile(text, config), { objects, dirs });
  });

test('objects are counted along the directories, each once, and never outside the tree', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const tree = join(dir, 'tree');
  for (const name of ['fs/ext4', 'lib', 'dev']) await mkdir(join(tree, name), { recursive: true });
  await writeFile(join(dir, 'Makefile'), 'obj-y := outside.o\n');
  await writeFile(join(tree, 'Kbuild'), 'obj-y := fs/ fs/ ../ dev/ none/\n');
  await writeFile(join(tree, 'Makefile'), 'obj-y := not-this.o\n');
  await writeFile(join(tree, 'fs', 'Makefile'), 'obj-y := open.o ext4/ ../fs/\n');
  await writeFile(join(tree, 'fs', 'ext4', 'Makefile'), 'obj-y := inode.o super.o\n');
  await writeFile(join(tree, 'lib', 'Makefile'), 'lib-y := string.o\n');
  await symlink('/dev/zero', join(tree, 'dev', 'Makefile'));
  t.is(await countObjects(tree, config), 4);
});
