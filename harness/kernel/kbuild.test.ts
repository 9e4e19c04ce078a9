// SPDX-License-Identifier: MIT
import test from 'ava';
import { asText } from './expression.ts';
import { readKbuild } from './kbuild.ts';

const kbuild = readKbuild(
  new Map(
    Object.entries({
      Makefile: `include $(srctree)/arch/$(SRCARCH)/Makefile
ifeq ($(KBUILD_EXTMOD),)
export ARCH_DRIVERS := $(drivers-y)
endif
`,
      Kbuild: `obj-y += fs/ lib/
obj-$(CONFIG_NET) += net/
obj-y += $(ARCH_DRIVERS) drivers/
obj-y += self/
`,
      'arch/x86/Makefile': 'drivers-$(CONFIG_PCI) += arch/x86/pci/\n',
      'arch/x86/pci/Makefile': 'obj-y += direct.o\nobj-$(CONFIG_X86_$(BITS)) += never_$(BITS).o\n',
      'arch/x86/boot/Makefile': 'setup-y += a20.o \\\n\tmain.o\nsetup-$(CONFIG_EDD) += edd.o\n',
      'fs/Makefile': `obj-y := open.o
obj-$(CONFIG_EXT)+= ext/
obj-$(CONFIG_XFS)	+= xfs/ # a comment
ifdef CONFIG_BLOCK
obj-y += buffer.o
else
obj-y += no-block.o
endif
ifeq ($(CONFIG_A)$(CONFIG_B),)
obj-y += neither.o
else ifneq ($(CONFIG_C),y)
obj-y += one.o
endif
ifeq ($(shell whoami),root)
obj-y += unclear.o
else
obj-y += unclear-else.o
endif
obj-$(CONFIG_TWICE_A) += twice.o
obj-$(CONFIG_TWICE_B) += twice.o
$(obj)/rule.o: FORCE
	obj-y += recipe.o
define text
obj-y += defined.o
endef
`,
      'fs/ext/Makefile': `obj-$(CONFIG_EXT) += ext.o
ext-y := super.o part/inode.o
ext-$(CONFIG_EXT_ACL) += acl.o
ext-objs += old.o
ext-$(subst m,y,$(CONFIG_EXT_MOD)) += mod.o
`,
      'fs/xfs/Kbuild': `obj-$(CONFIG_XFS) += xfs.o
files := a.o b.o
xfs-y += $(addprefix libxfs/, $(files))
xfs-y += $(patsubst %.c,%.o,c.c) $(list:.x=.o)
list = d.x
xfs-y += $(if $(CONFIG_QUOTA),quota.o)
include $(src)/more/Kbuild
xfs-y += xfs.o
`,
      'fs/xfs/Makefile': 'obj-y += not-read.o\n',
      'fs/xfs/more/Kbuild': 'xfs-y += more/e.o $(obj)/../up.o\n',
      'lib/Makefile': 'lib-y := string.o\nobj-m += test.o\nhostprogs := gen\nsubdir-$(CONFIG_SUB) += sub\n',
      'lib/sub/Makefile': 'extra-y := x.o\n',
      'net/Makefile': 'obj-$(CONFIG_NET) += core/ socket.o\n',
      'net/core/Makefile': 'obj-y += dev.o\n',
      'drivers/Makefile': 'obj-$(CONFIG_NET) += ../net/shared.o\n',
      'self/Makefile': 'obj-y += ./ loop.o\nloop-y := loop-a.o $(loop-y)\nloop-a-y := loop.o\n',
    }),
  ),
);

const cases = [
  ['fs/open.o', 'y'],
  ['fs/ext/ext.o', 'EXT'],
  ['fs/ext/super.o', 'EXT'],
  ['fs/ext/part/inode.o', 'EXT'],
  ['fs/ext/acl.o', 'EXT && EXT_ACL'],
  ['fs/ext/old.o', 'EXT'],
  ['fs/ext/mod.o', 'EXT && EXT_MOD'],
  ['fs/xfs/libxfs/a.o', 'XFS'],
  ['fs/xfs/c.o', 'XFS'],
  ['fs/xfs/d.o', 'XFS'],
  ['fs/xfs/quota.o', 'XFS && QUOTA'],
  ['fs/xfs/more/e.o', 'XFS'],
  ['fs/up.o', 'XFS'],
  ['fs/xfs/not-read.o', null],
  ['fs/buffer.o', 'BLOCK'],
  ['fs/no-block.o', '!BLOCK'],
  ['fs/neither.o', '!(A || B)'],
  ['fs/one.o', '(A || B) && !C'],
  ['fs/unclear.o', 'y'],
  ['fs/unclear-else.o', 'y'],
  ['fs/twice.o', 'TWICE_A || TWICE_B'],
  ['fs/recipe.o', null],
  ['fs/defined.o', null],
  ['fs/absent.o', null],
  ['lib/string.o', 'y'],
  ['lib/test.o', 'm'],
  ['lib/sub/x.o', 'SUB'],
  ['net/core/dev.o', 'NET'],
  ['net/socket.o', 'NET'],
  ['net/shared.o', 'NET'],
  ['arch/x86/pci/direct.o', 'PCI'],
  ['arch/x86/pci/never_64.o', 'PCI && X86_64'],
  ['arch/x86/boot/main.o', 'y'],
  ['arch/x86/boot/edd.o', 'EDD'],
  ['self/loop.o', 'y'],
  ['self/loop-a.o', 'y'],
] as const;

for (const [object, expected] of cases)
  test(`${object}: ${expected}`, (t) => {
    const condition = kbuild.conditionOf(object);
    t.is(condition && asText(condition), expected);
  });

test('directories that no Makefile enters are not read', (t) => {
  t.true(kbuild.dirs.has('net/core'));
  t.false(kbuild.dirs.has('fs/xfs/more'));
});
