// SPDX-License-Identifier: MIT
// The lines are what gcc 12, GNU ld and as 2.40, Kconfig, modpost and make print when a 6.12 kernel is built.
import test from 'ava';
import { type Diagnostic, findDiagnostics } from './diagnostics.ts';

const source = '/cache/bases/x/source';
const patch = (file: string) => ({ series: 'srvfs', file, subject: '', commit: '', files: [] });
const last = new Map([
  ['fs/srvfs/super.c', patch('0002-super.patch')],
  ['fs/srvfs/entry.S', patch('0003-entry.patch')],
  ['fs/Kconfig', patch('0001-kconfig.patch')],
]);

test('an error of the compiler has its file, line and patch; what stands around it is left out', (t) => {
  t.deepEqual(
    find(
      `  CC      fs/srvfs/super.o`,
      `In file included from ${source}/fs/srvfs/super.c:7:`,
      `${source}/fs/srvfs/super.c: In function ‘srv_open’:`,
      `${source}/fs/srvfs/super.c:12:20: error: ‘x’ undeclared (first use in this function)`,
      `   12 | int srv_open(void) { return x; }`,
      `      |                             ^`,
      `${source}/fs/srvfs/super.c:12:20: note: each undeclared identifier is reported only once`,
      'make[5]: *** [/cache/bases/x/source/scripts/Makefile.build:229: fs/srvfs/super.o] Error 1',
      'make: *** [Makefile:224: __sub-make] Error 2',
    ),
    [
      {
        severity: 'error',
        file: 'fs/srvfs/super.c',
        line: 12,
        text: '‘x’ undeclared (first use in this function)',
        patch: '0002-super.patch',
      },
    ],
  );
});

test('warnings, fatal errors and errors that were warnings are told apart', (t) => {
  t.deepEqual(
    find(
      `${source}/fs/srvfs/super.c:2:17: warning: unused variable ‘u’ [-Wunused-variable]`,
      `${source}/fs/srvfs/super.c:3:5: error: no previous prototype for ‘g’ [-Werror=missing-prototypes]`,
      `${source}/fs/open.c:1:10: fatal error: no.h: No such file or directory`,
      'compilation terminated.',
    ).map(({ severity, file, patch: name }) => [severity, file, name]),
    [
      ['warning', 'fs/srvfs/super.c', '0002-super.patch'],
      ['error', 'fs/srvfs/super.c', '0002-super.patch'],
      ['error', 'fs/open.c', null],
    ],
  );
});

test('paths are relative to the tree however make names them', (t) => {
  const file = (path: string) => find(`${path}:1:1: error: x`)[0]?.file;
  t.is(file(`${source}/fs/srvfs/super.c`), 'fs/srvfs/super.c');
  t.is(file('../fs/srvfs/super.c'), 'fs/srvfs/super.c');
  t.is(file('../../source/fs/srvfs/super.c'), 'fs/srvfs/super.c');
  t.is(file('./include/generated/autoconf.h'), 'include/generated/autoconf.h');
  t.is(file('fs/srvfs/super.c'), 'fs/srvfs/super.c');
});

test('a complaint that comes twice is told once', (t) => {
  const line = `${source}/include/linux/srv.h:3:1: warning: x`;
  t.is(find(line, line, line.replace(':3:', ':4:')).length, 2);
});

test('an error of the assembler is an error', (t) => {
  t.deepEqual(
    find(
      `${source}/fs/srvfs/entry.S: Assembler messages:`,
      `${source}/fs/srvfs/entry.S:4: Error: no such instruction: \`foo bar'`,
    ),
    [
      {
        severity: 'error',
        file: 'fs/srvfs/entry.S',
        line: 4,
        text: "no such instruction: `foo bar'",
        patch: '0003-entry.patch',
      },
    ],
  );
});

test('what the linker misses or has twice is an error, of the file if it names one', (t) => {
  const complaints = find(
    "ld: fs/srvfs/super.o: in function `srv_open':",
    "super.c:(.text+0x5): undefined reference to `missing'",
    "ld: fs/srvfs/super.o:(.data+0x0): multiple definition of `twice'; fs/open.o:(.bss+0x0): first defined here",
  );
  t.deepEqual(
    complaints.map(({ severity, line, text }) => [severity, line, text.split(';')[0]]),
    [
      ['error', 0, "undefined reference to `missing'"],
      ['error', 0, "multiple definition of `twice'"],
    ],
  );
  t.is(complaints[1]?.file, 'fs/srvfs/super.c');
  t.is(complaints[1]?.patch, '0002-super.patch');
});

test('an undefined reference is found in vmlinux.o, which has no file names', (t) => {
  const found = find(
    "ld: vmlinux.o: in function `srv_open':",
    "(.text+0x5): undefined reference to `missing'",
  );
  t.deepEqual(
    found.map(({ text }) => text),
    ["undefined reference to `missing'"],
  );
});

test('an undefined reference is found with debug information, which has lines', (t) => {
  const found = find(
    "ld: fs/srvfs/super.o: in function `srv_open':",
    `${source}/fs/srvfs/super.c:12: undefined reference to \`missing'`,
  );
  t.deepEqual(
    found.map(({ file, line, patch: name }) => [file, line, name]),
    [['fs/srvfs/super.c', 12, '0002-super.patch']],
  );
});

test('the object that the linker names tells the directory of the source', (t) => {
  const found = find(
    "ld: fs/srvfs/super.o: in function `srv_open':",
    "super.c:(.text+0x5): undefined reference to `missing'",
  );
  t.is(found[0]?.patch, '0002-super.patch');
});

test('errors of Kconfig are errors, its warnings are not', (t) => {
  t.deepEqual(
    find(
      'fs/Kconfig:12: syntax error',
      'fs/Kconfig:12: unknown statement "tristat"',
      'fs/srvfs/Kconfig:3: error: choice member must be bool',
      "fs/Kconfig:9:warning: ignoring unsupported character ';'",
      '.config:12:warning: override: reassigning to symbol SRV_FS',
    ).map(({ file, line, text, patch: name }) => [file, line, text, name]),
    [
      ['fs/Kconfig', 12, 'syntax error', '0001-kconfig.patch'],
      ['fs/Kconfig', 12, 'unknown statement "tristat"', '0001-kconfig.patch'],
      ['fs/srvfs/Kconfig', 3, 'choice member must be bool', null],
    ],
  );
});

test('what modpost and make miss is an error without a file', (t) => {
  t.deepEqual(
    find(
      'ERROR: modpost: "missing" [fs/srvfs/srvfs.ko] undefined!',
      "make[5]: *** No rule to make target 'fs/srvfs/gone.o', needed by 'fs/srvfs/built-in.a'.  Stop.",
      'WARNING: modpost: vmlinux: section mismatch in reference: a+0x1 (section: .text) -> b',
    ),
    [
      { severity: 'error', file: '', line: 0, text: '"missing" [fs/srvfs/srvfs.ko] undefined!', patch: null },
      {
        severity: 'error',
        file: '',
        line: 0,
        text: "No rule to make target 'fs/srvfs/gone.o', needed by 'fs/srvfs/built-in.a'.  Stop.",
        patch: null,
      },
    ],
  );
});

test('an ordinary build has no complaints', (t) => {
  t.deepEqual(
    find(
      'make: Entering directory',
      '  GEN     Makefile',
      '  CC      fs/srvfs/super.o',
      '  LD      vmlinux',
      'ld: warning: vmlinux has a LOAD segment with RWX permissions',
      'Kernel: arch/x86/boot/bzImage is ready  (#1)',
      '',
    ),
    [],
  );
});

test('escapes of a source line do not reach the terminal', (t) => {
  t.is(find(`${source}/a.c:1:1: error: \x1b[31mred\x07`)[0]?.text, 'red');
});

function find(...lines: string[]): Diagnostic[] {
  return findDiagnostics(lines, source, last);
}
