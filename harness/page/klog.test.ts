// SPDX-License-Identifier: MIT
import test from 'ava';
import { around, logLines } from './klog.ts';

const log = [
  '6,1,1000000,-,caller=T1;booted',
  ...Array.from({ length: 30 }, (_, index) => `6,${index + 2},2000000,-,caller=T1;line ${index}`),
  '4,40,3000000,-,caller=T7;------------[ cut here ]------------',
  '4,41,3000001,-,caller=T7;WARNING: first',
  '6,42,3000002,-,caller=T1;between',
  '4,43,3000003,-,caller=T7; demo_put+0x1/0x2',
  '4,44,3000004,-,caller=T7;------------[ cut here ]------------',
  '4,45,3000005,-,caller=T7;WARNING: second',
  ...Array.from({ length: 30 }, (_, index) => `14,${index + 50},4000000,-;after ${index}`),
].join('\n');

test('a record has time, caller and level; a line that is none is text', (t) => {
  const lines = logLines({
    text: '4,1,12345678,-,caller=C1;a\\x1bb\nplain\x1b[1m\x07\n',
    first: 7,
    bytes: 0,
  });
  t.deepEqual(lines, [
    { number: 7, stamp: '   12.345678 C1    ', level: 4, text: 'a' },
    { number: 8, stamp: '', level: null, text: 'plain' },
  ]);
});

test('a line of a console has time and caller, too', (t) => {
  t.deepEqual(logLines({ text: '[    1.234567][    T1] BUG: x\n[    2.000000] y\n', first: 1, bytes: 0 }), [
    { number: 1, stamp: '    1.234567 T1    ', level: null, text: 'BUG: x' },
    { number: 2, stamp: '    2.000000       ', level: null, text: 'y' },
  ]);
});

test('what a process wrote is told apart', (t) => {
  t.is(logLines({ text: '12,1,1,-;from a test', first: 1, bytes: 0 })[0]!.level, 'user');
});

test('the log around a splat has its own lines marked, and lines of others between them', (t) => {
  const lines = logLines({ text: log, first: 1, bytes: 0 });
  const cut = '------------[ cut here ]------------';
  const first = around(lines, { lines: [cut, 'WARNING: first', ' demo_put+0x1/0x2'] }, 2, 1)!;
  t.deepEqual([first.start, first.end], [29, 36]);
  t.deepEqual([...first.own], [32, 33, 35]);
  const second = around(lines, { lines: [cut, 'WARNING: second'] }, 0, 0)!;
  t.deepEqual([...second.own], [36, 37]);
});

test('a splat that the log does not have, as one from the console, is nowhere', (t) => {
  t.is(around(logLines({ text: log, first: 1, bytes: 0 }), { lines: ['Kernel panic'] }), null);
});
