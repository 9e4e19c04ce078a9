// SPDX-License-Identifier: MIT
import test from 'ava';
import { parseKmsg } from '../channel/kmsg.ts';
import { goldens } from '../testing/golden.ts';
import { findSplats } from './find.ts';
import { readFrames } from './frames.ts';

test('frames are read in their order, each once, without uncertain ones and those of modules', (t) => {
  const frames = readFrames([
    'WARNING: CPU: 0 PID: 1 at lib/x.c:1 complain+0x5/0x10',
    'RIP: 0010:complain+0x5/0x10',
    'Call Trace:',
    ' <TASK>',
    ' ? __warn+0x81/0x110',
    ' caller.isra.0+0x1f/0x30',
    ' from_module+0x1f/0x30 [some_mod]',
    ' [<ffffffff81000000>] old_style+0xa/0xb',
    ' caller.isra.0+0x1f/0x30',
    'RIP: 0033:0x7f0000000000',
    'ffff8880 (lock_b){+.+.}-{3:3}, at: taker+0x42/0x70',
    '       chain+0x1/0x2',
    'no frame+0x1/0x2 at all',
  ]);
  t.deepEqual(
    frames.map(({ at, point }) => [at, point.isReturn]),
    [
      ['complain+0x5/0x10', false],
      ['caller.isra.0+0x1f/0x30', true],
      ['old_style+0xa/0xb', true],
      ['taker+0x42/0x70', true],
      ['chain+0x1/0x2', true],
    ],
  );
  t.deepEqual(frames[1]!.point, { symbol: 'caller.isra.0', offset: 0x1f, size: 0x30, isReturn: true });
});

test('a flood of frames is bounded', (t) => {
  t.is(readFrames(Array.from({ length: 1000 }, (_, index) => ` f${index}+0x1/0x2`)).length, 100);
});

test('splats of real kernels have frames', (t) => {
  for (const name of [
    'warning',
    'null',
    'lockdep-abba',
    'kasan-uaf',
    'hung-task',
    'scheduling-while-atomic',
  ]) {
    const { input } = goldens('splats', '.kmsg.log').find((golden) => golden.name === name)!;
    const names = findSplats(parseKmsg(input)).flatMap(({ lines }) =>
      readFrames(lines).map(({ point }) => point.symbol),
    );
    t.true(names.length > 3, name);
  }
});
