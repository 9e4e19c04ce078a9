// SPDX-License-Identifier: MIT
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { openKernelText } from './kernelText.ts';
import { brief, locate, readProcessors, readWords, wordsAbove } from './processors.ts';

/** QEMU 7.2's answer, without what is not read. */
const registers = [
  'CPU#0',
  'RAX=0000000000000000 RBX=ffffffff82212880 RCX=4000000000000000 RDX=4000000000000000',
  'RSI=ffffffff82140bd5 RDI=0000000000021c54 RBP=0000000000000000 RSP=ffffffff82203ea8',
  'RIP=ffffffff81000010 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1',
  'CPU#1',
  'RSI=0000000000000000 RDI=0000000000000000 RBP=0000000000000000 RSP=ffffc90000013f00',
  'RIP=ffffffff81000020 RFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0',
  'CPU#2',
  'RSI=0000000000000000 RDI=0000000000000000 RBP=0000000000000000 RSP=00007ffd00001000',
  'RIP=0000000000401234 RFL=00000202 [-------] CPL=3 II=0 A20=1 SMM=0 HLT=0',
].join('\r\n');

test('processors are read from QEMU’s monitor', (t) => {
  const [first, second, third, ...rest] = readProcessors(registers);
  t.deepEqual(rest, []);
  t.deepEqual(first, {
    number: 0,
    instruction: 0xffff_ffff_8100_0010n,
    stack: 0xffff_ffff_8220_3ea8n,
    privilege: 0,
    halted: true,
    interrupts: true,
  });
  t.deepEqual([second!.number, second!.halted, second!.interrupts], [1, false, false]);
  t.is(third!.privilege, 3);
  t.deepEqual(readProcessors('nonsense'), []);
});

test('of a stack, what is above is looked at, to its end or 4 KiB', (t) => {
  t.is(wordsAbove(0xffff_ffff_8220_3ea8n), 43);
  t.is(wordsAbove(0xffff_c900_0001_0000n), 512);
});

test('words are read up to what can’t be', (t) => {
  const text =
    'ffffffff82203ea8: 0xffffffff81000005 0x0000000000000001\r\nffffffff82203eb8: Cannot access memory\r\n';
  t.deepEqual(readWords(text), [0xffff_ffff_8100_0005n, 1n]);
});

/** An ELF file of one segment with this text, at the address where the kernel's is. */
function elf(text: Buffer): Buffer {
  const file = Buffer.alloc(120 + text.length);
  file.write('\x7fELF');
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64);
  file.writeBigUInt64LE(120n, 64 + 8);
  file.writeBigUInt64LE(0xffff_ffff_8100_0000n, 64 + 16);
  file.writeBigUInt64LE(BigInt(text.length), 64 + 32);
  text.copy(file, 120);
  return file;
}

const map = [
  '0000000000000000 A __per_cpu_start',
  'ffffffff81000000 T _stext',
  'ffffffff81000000 T first',
  'ffffffff81000010 t second',
  'ffffffff81000020 T third',
  'ffffffff81000040 T _etext',
  'ffffffff82000000 D data',
].join('\n');

test('a place has a name, and callers are those behind whose address a call stands', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-text-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const text = Buffer.alloc(64, 0x90);
  text[0x10] = 0xe8; // call rel32, to 0x15
  text.set([0xff, 0xd0], 0x26); // call *%rax, to 0x28
  text.set([0xff, 0xe0], 0x2e); // jmp *%rax: no call
  await writeFile(join(dir, 'vmlinux'), elf(text));
  await writeFile(join(dir, 'System.map'), map);
  await using kernel = await openKernelText(dir);
  t.is(kernel.nameOf(0xffff_ffff_8100_0000n), '_stext+0x0/0x10');
  t.is(kernel.nameOf(0xffff_ffff_8100_001fn), 'second+0xf/0x10');
  t.is(kernel.nameOf(0xffff_ffff_8200_0000n), null);
  t.is(kernel.nameOf(0x1000n), null);

  const [halted, busy, process] = readProcessors(registers);
  const words = [0x15n, 0x16n, 0x28n, 0x30n, 0x7fffn].map((offset) => 0xffff_ffff_8100_0000n + offset);
  const state = await locate(busy!, words, kernel);
  t.deepEqual(state, {
    activity: 'running, interrupts off',
    at: 'third+0x0/0x20',
    callers: ['second+0x5/0x10', 'third+0x8/0x20'],
  });
  t.is(brief(1, state), 'CPU 1: running, interrupts off, in third < second < third');
  t.is(brief(0, await locate(halted!, [], kernel)), 'CPU 0: halted, interrupts on, in second');
  t.is(brief(2, await locate(process!, words, kernel)), 'CPU 2: running, in a process, at 0x401234');
  t.is((await locate(busy!, words, null)).at, '0xffffffff81000020');
});
