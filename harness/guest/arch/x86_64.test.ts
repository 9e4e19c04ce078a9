// SPDX-License-Identifier: MIT
import test from 'ava';
import { emulatedCpu, endsWithCall, longestCall, readRegisters, withoutVectors } from './x86_64.ts';

test('QEMU before 8.0 has no CMPXCHG16B that works', (t) => {
  t.deepEqual([7, 8, 10].map(emulatedCpu), ['max,-cx16', 'max', 'max']);
});

test('registers are read from QEMU’s monitor', (t) => {
  const text = [
    'RSI=ffffffff82140bd5 RDI=0000000000021c54 RBP=0000000000000000 RSP=ffffffff82203ea8',
    'RIP=ffffffff81000010 RFL=00000246 [---Z-P-] CPL=3 II=0 A20=1 SMM=0 HLT=1',
  ].join('\r\n');
  t.deepEqual(readRegisters(text), {
    instruction: 0xffff_ffff_8100_0010n,
    stack: 0xffff_ffff_8220_3ea8n,
    privilege: 3,
    halted: true,
    interrupts: true,
  });
  t.false(readRegisters(text.replace('RFL=00000246', 'RFL=00000046'))?.interrupts);
  t.is(readRegisters('RIP=ffffffff81000010'), null);
});

for (const [instruction, bytes] of [
  ['call rel32', [0xe8, 1, 2, 3, 4]],
  ['call *%rax', [0xff, 0xd0]],
  ['call *8(%rax)', [0xff, 0x50, 8]],
  ['call *0x100(%rip)', [0xff, 0x15, 0, 1, 0, 0]],
  ['call *0x100(,%rax,8)', [0xff, 0x14, 0xc5, 0, 1, 0, 0]],
] as const)
  test(`${instruction} is a call`, (t) => {
    const code = Buffer.alloc(longestCall, 0x90);
    code.set(bytes, longestCall - bytes.length);
    t.true(endsWithCall(code));
  });

test('a jump through a register is no call, nor is what stands one byte before the end', (t) => {
  t.false(endsWithCall(Buffer.from([0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xe0])));
  t.false(endsWithCall(Buffer.from([0x90, 0xe8, 1, 2, 3, 4, 0x90])));
});

test('floating point and vector registers are left out', (t) => {
  const kernel = 'CR0=80050033 CR2=0000000000000000\n';
  t.is(withoutVectors(`${kernel}FCW=037f FSW=0000\nXMM00=0000000000000000\n${kernel}`), kernel + kernel);
});
