// SPDX-License-Identifier: MIT
// Real objects and archives: gcc and ar make them.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import * as arch from '../guest/arch/x86_64.ts';
import { exec } from '../util/exec.ts';
import { parseElf } from './elf.ts';
import { linkedObjects } from './linked.ts';
import { compareCode, hashCode, hashObject, isSameCode } from './sameCode.ts';

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function compile(dir: string, object: string, source: string, ...flags: string[]): Promise<Buffer> {
  await mkdir(dirname(join(dir, object)), { recursive: true });
  const words = [
    '-x',
    'c',
    '-O2',
    '-fno-pic',
    '-ffreestanding',
    ...flags,
    '-c',
    '-',
    '-o',
    join(dir, object),
  ];
  await exec('gcc', words, { cwd: dir, input: source });
  return readFile(join(dir, object));
}

const code = `
extern int other(int, const char *);
static int counter[2] = { 1, 2 };
static int next(void) { static int calls; return ++calls; }
int first(int a) { counter[a & 1]++; return other(a, "text") + next(); }
__attribute__((section(".initcall6.init"), used)) static int (*entry)(int) = first;
`;

/** As the kernel's BUG() and WARN() on x86-64. */
const bugTable = (line: number) => `
void f(void) { asm volatile("1: ud2\\n.pushsection __bug_table,\\"aw\\"\\n2: .long 1b - .\\n.long 3f - .\\n.word ${line}\\n"
  ".word 2305\\n.popsection\\n.pushsection .rodata.str1.1,\\"aMS\\",@progbits,1\\n3: .string \\"f.c\\"\\n.popsection"); }
`;

const pairs: [string, string, string, boolean][] = [
  ['a comment', code, `/* a\n comment */${code}`, true],
  [
    'a static function of more that nobody calls',
    code,
    `static inline int x(void) { static int calls; return calls; }${code}`,
    true,
  ],
  ['the line of a WARN()', bugTable(10), bugTable(11), true],
  ['the flags of a WARN()', bugTable(10), bugTable(10).replace('2305', '2307'), false],
  ['an operator', code, code.replace('++;', '--;'), false],
  ['data alone', code, code.replace('{ 1, 2 }', '{ 1, 3 }'), false],
  ['a string alone', code, code.replace('"text"', '"next"'), false],
  ['the function that is called', code, code.replaceAll('other', 'another'), false],
  ['an initcall that goes', code, code.replace(/__attribute__.*/, ''), false],
  ["an initcall's level", code, code.replace('.initcall6', '.initcall7'), false],
  ['the name of a function', code, code.replaceAll('first', 'second'), false],
  [
    'a function that becomes static',
    `${code}int user(void) { return first(1); }`,
    `${code.replace('int first', 'static int first')}int user(void) { return first(1); }`,
    false,
  ],
  ['the size of .bss', 'int a[4];', 'int a[8];', false],
];

for (const [what, base, patched, isSame] of pairs)
  test(`${what}: ${isSame ? 'the same code' : 'other code'}`, async (t) => {
    const dir = await scratch(t);
    const [one, other] = [await compile(dir, 'a.o', base), await compile(dir, 'b.o', patched)];
    t.is(hashObject(one) === hashObject(other), isSame);
  });

test('debug information is no code', async (t) => {
  const dir = await scratch(t);
  const [one, other] = [
    await compile(dir, 'a.o', code, '-g'),
    await compile(dir, 'b.o', `\n\n${code}`, '-g'),
  ];
  t.false(one.equals(other));
  t.is(hashObject(one), hashObject(other));
});

test('a damaged object is hashed as bytes, and reading it never fails', async (t) => {
  const object = await compile(await scratch(t), 'a.o', code);
  t.truthy(parseElf(object));
  const hashes = new Set<string>();
  for (let at = 0; at < object.length; at += 7) {
    const damaged = Buffer.from(object);
    damaged.fill(0xff, at, Math.min(at + 7, damaged.length));
    hashes.add(hashObject(damaged));
    hashObject(object.subarray(0, at));
  }
  t.true(hashes.size > 10);
  t.is(parseElf(object.subarray(0, 100)), null);
});

/** A build directory of four objects, as kbuild leaves it. */
async function build(t: ExecutionContext, sources: Record<string, string> = {}): Promise<string> {
  const dir = await scratch(t);
  const all = {
    'init/main.o': 'int a;',
    'fs/open.o': code,
    'fs/a-long-name-of-an-object.o': 'int c;',
    'kernel/sys_ni.o': 'int d;',
    ...sources,
  };
  for (const [object, source] of Object.entries(all)) await compile(dir, object, source);
  const flags = ['cDPrST', 'fs/built-in.a', 'fs/open.o', 'fs/a-long-name-of-an-object.o'];
  await exec('ar', flags, { cwd: dir });
  await exec('ar', ['cDPrST', 'vmlinux.a', 'init/main.o', 'fs/built-in.a', 'kernel/sys_ni.o'], { cwd: dir });
  await compile(dir, 'lib/string.o', 'int e;');
  await exec('ar', ['cDPrsT', 'lib/lib.a', 'lib/string.o'], { cwd: dir });
  await compile(dir, 'fs/left-over.o', 'int f;');
  await compile(dir, 'arch/x86/boot/a20.o', 'int g;');
  await mkdir(dirname(join(dir, arch.linkerScript)), { recursive: true });
  await writeFile(join(dir, arch.linkerScript), 'SECTIONS {}');
  return dir;
}

const objects = [
  'init/main.o',
  'fs/open.o',
  'fs/a-long-name-of-an-object.o',
  'kernel/sys_ni.o',
  'lib/string.o',
];

test('linked objects are those of the archives, in order; what is left from another build is not', async (t) => {
  t.deepEqual(await linkedObjects(await build(t)), { objects, apart: ['arch/x86/boot/a20.o'] });
});

test('a directory without a build is an error', async (t) => {
  await t.throwsAsync(linkedObjects(await scratch(t)), { message: /the build left no vmlinux.a/ });
});

test('two builds are the same until an object, the order or the script differs', async (t) => {
  const [base, patched] = [await build(t), await build(t)];
  const before = await hashCode(base);
  t.deepEqual(
    Object.keys(before).sort(),
    ['link order', arch.linkerScript, ...objects, 'arch/x86/boot/a20.o'].sort(),
  );
  t.true(isSameCode(compareCode(before, await hashCode(patched))));
  await compile(patched, 'fs/open.o', code.replace('++;', '--;'));
  await writeFile(join(patched, arch.linkerScript), 'SECTIONS { . = 0; }');
  const difference = compareCode(before, await hashCode(patched));
  t.deepEqual(difference, { changed: [arch.linkerScript, 'fs/open.o'], added: [], removed: [] });
  t.false(isSameCode(difference));
});

test('objects that come, go or change places are told', async (t) => {
  const dir = await build(t);
  const before = await hashCode(dir);
  await compile(dir, 'fs/new.o', 'int n;');
  await rm(join(dir, 'vmlinux.a'));
  await exec('ar', ['cDPrST', 'vmlinux.a', 'kernel/sys_ni.o', 'init/main.o', 'fs/open.o', 'fs/new.o'], {
    cwd: dir,
  });
  t.deepEqual(compareCode(before, await hashCode(dir)), {
    changed: ['link order'],
    added: ['fs/new.o'],
    removed: ['fs/a-long-name-of-an-object.o'],
  });
});
