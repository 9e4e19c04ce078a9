// SPDX-License-Identifier: MIT
import test from 'ava';
import { readOutput } from './objects.ts';

const source = '/kiln/source';

/** As make and gcc print it for Linux 6.12. */
const output = `make: Entering directory '/kiln/source'
make[1]: Entering directory '/kiln/build'
  GEN     Makefile
  CALL    /kiln/source/scripts/checksyscalls.sh
make[4]: *** No rule to make target 'fs/nosuch.o'.
  CC      fs/file.o
/kiln/source/fs/file.c: In function ‘f’:
/kiln/source/fs/file.c:12:3: warning: unused variable ‘x’ [-Wunused-variable]
   12 | int x;
      |     ^
make[3]: *** [/kiln/source/scripts/Makefile.build:471: fs] Error 2
  CC [M]  fs/fuse/dir.o
In file included from /kiln/source/fs/fuse/dir.c:9:
/kiln/source/fs/fuse/fuse_i.h:39:10: fatal error: asm/cputype.h: No such file or directory
   39 | #include <asm/cputype.h>
      |          ^~~~~~~~~~~~~~~
compilation terminated.
make[3]: *** [/kiln/source/scripts/Makefile.build:234: fs/fuse/dir.o] Error 1
make[3]: Target 'fs/file.o' not remade because of errors.
make[2]: *** [/kiln/source/Makefile:2008: .] Error 2
make: *** [Makefile:236: __sub-make] Error 2`.split('\n');

test('each object has what the compiler said of it, and what failed is named', (t) => {
  const objects = ['fs/file.o', 'fs/nosuch.o', 'fs/fuse/dir.o', 'fs/open.o'];
  const { objects: found, absent, others, trouble } = readOutput(output, source, objects);
  t.deepEqual(
    [...found].map(([name, { failed, diagnostics }]) => [
      name,
      failed,
      diagnostics.map(({ severity, file, line }) => `${severity} ${file}:${line}`),
    ]),
    [
      ['fs/file.o', false, ['warning fs/file.c:12']],
      ['fs/fuse/dir.o', true, ['error fs/fuse/fuse_i.h:39']],
    ],
  );
  t.deepEqual([absent, others, trouble], [['fs/nosuch.o'], [], null]);
});

test('an error in what is built for all objects is none of theirs', (t) => {
  const lines = [
    '  CC      arch/x86/kernel/asm-offsets.s',
    '/kiln/source/include/linux/a.h:5:1: error: unknown type name ‘u9’',
    'make[2]: *** [/kiln/source/scripts/Makefile.build:102: arch/x86/kernel/asm-offsets.s] Error 1',
    'make: *** [Makefile:236: __sub-make] Error 2',
  ];
  const { objects, others, trouble } = readOutput(lines, source, ['fs/file.o']);
  t.deepEqual([objects.size, others.length, trouble], [0, 1, 'include/linux/a.h: unknown type name ‘u9’']);
  const killed = readOutput([lines[0]!, ...lines.slice(2)], source, ['fs/file.o']);
  t.is(killed.trouble, "arch/x86/kernel/asm-offsets.s can't be made");
});

test('of the programs that work on an object, one may count alone', (t) => {
  const lines = [
    '  CC      fs/file.o',
    '/kiln/source/fs/file.c:12:3: warning: unused variable ‘x’ [-Wunused-variable]',
    '  CHECK   /kiln/source/fs/file.c',
    '/kiln/source/fs/file.c:20:9: warning: incorrect type in assignment (different address spaces)',
    '/kiln/source/fs/file.c:20:9:    expected void [noderef] __user *p',
  ];
  const { objects } = readOutput(lines, source, ['fs/file.o'], 'CHECK');
  t.deepEqual(
    objects.get('fs/file.o')!.diagnostics.map(({ line }) => line),
    [20],
  );
});
