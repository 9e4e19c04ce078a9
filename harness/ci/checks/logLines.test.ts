// SPDX-License-Identifier: MIT
import test from 'ava';
import { parseKmsg } from '../../channel/kmsg.ts';
import { findSplats } from '../../splat/find.ts';
import { goldens } from '../../testing/golden.ts';
import { newLogLines, shapeOfLine } from './logLines.ts';

const log = (...lines: string[]) =>
  parseKmsg(lines.map((line, index) => `6,${index},${index},-;${line}\n`).join(''));

test('lines that differ in what changes from boot to boot are the same', (t) => {
  const pairs = [
    [
      'Memory: 471592K/523704K available (16384K kernel code)',
      'Memory: 471588K/523704K available (16500K kernel code)',
    ],
    ['tsc: Detected 2399.998 MHz processor', 'tsc: Detected 2400.12 MHz processor'],
    [
      'Freeing unused kernel image (initmem) memory: 2016K',
      'Freeing unused kernel image (initmem) memory: 96K',
    ],
    ['Run /init as init process, pid 12', 'Run /init as init process, pid 7'],
    [
      'e1000 0000:00:03.0 eth0: (PCI:33MHz:32-bit) 52:54:00:12:34:56',
      'e1000 0000:00:03.0 eth0: (PCI:33MHz:32-bit) 52:54:00:ab:cd:ef',
    ],
    [
      'EXT4-fs (vda): mounted filesystem 0b5e2e7e-26e8-4dbb-8c32-5a12a5a8e1a5',
      'EXT4-fs (vda): mounted filesystem aaaabbbb-cccc-dddd-eeee-ffff00001111',
    ],
    ['process srv/12 at ffff888003a4c000', 'process srv/9 at ffff8880011bd200'],
    ['sched_clock: Marking stable (201, 12)->(213, -10)', 'sched_clock: Marking stable (9, 1)->(13, -1)'],
    ['initcall foo+0x0/0x20 returned 0 after 12 usecs', 'initcall foo+0x0/0x30 returned 0 after 4 usecs'],
    ['hrtimer: interrupt took 1234567 ns', 'hrtimer: interrupt took 33 ns'],
  ];
  for (const [one, other] of pairs) t.is(shapeOfLine(one!), shapeOfLine(other!));
});

test('other names are other lines', (t) => {
  t.not(shapeOfLine('srvfs: cannot store eth0'), shapeOfLine('srvfs: cannot store lo'));
  t.not(shapeOfLine('sda: ready'), shapeOfLine('sdb: ready'));
});

test('a line that only patched kernels have is told once, in its order', (t) => {
  const base = [log('a: 1', 'b'), log('rare')];
  const patched = [log('b', 'srvfs: 3 entries', 'a: 2', 'rare'), log('late', 'srvfs: 4 entries')];
  t.deepEqual(newLogLines(base, patched), ['srvfs: 3 entries', 'late']);
});

test('what processes write does not count', (t) => {
  t.deepEqual(newLogLines([], [parseKmsg('12,0,5,-;from a process\n6,1,6,-;from the kernel\n')]), [
    'from the kernel',
  ]);
});

test('neither a splat nor a busy host makes new lines', (t) => {
  const records = parseKmsg(goldens('splats', '.log').find(({ name }) => name === 'warning.kmsg')!.input);
  const splats = new Set(findSplats(records).flatMap(({ lines }) => lines));
  t.true(splats.size > 20);
  const busy = log(
    'hrtimer: interrupt took 33 ns',
    'calibrate_delay_direct() dropping min bogoMips estimate 3 = 5',
  );
  const fresh = newLogLines([], [[...records, ...busy, ...log('after')]]);
  t.deepEqual(
    fresh.filter((line) => splats.has(line)),
    [],
  );
  t.deepEqual(fresh.slice(-2), ['clocksource: Switched to clocksource tsc', 'after']);
});

test('lines are made harmless and are bounded', (t) => {
  t.deepEqual(newLogLines([], [log('a\\x1b[31mred')]), ['ared']);
  const many = newLogLines(
    [],
    [log(...Array.from({ length: 250 }, (_, index) => `line ${'x'.repeat(index)}y`))],
  );
  t.deepEqual([many.length, many.at(-1)], [201, 'and 50 more lines']);
});
