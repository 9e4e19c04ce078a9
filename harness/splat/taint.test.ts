// SPDX-License-Identifier: MIT
import test from 'ava';
import type { SplatResult } from '../schema.ts';
import { taintTitle, unexplainedTaint } from './taint.ts';

const bit = (letter: string) => 2 ** 'PFSRMBUDAWCIOELKXTNJ'.indexOf(letter);
const titles = (splats: SplatResult[]) => splats.map(({ title }) => title);

test('each flag that came has a report of its own, those that were there have none', (t) => {
  t.deepEqual(unexplainedTaint(bit('O'), bit('O'), []), []);
  const splats = unexplainedTaint(bit('O'), bit('O') + bit('U') + bit('N'), []);
  t.deepEqual(titles(splats), [
    'kernel tainted: U, user space asked for it',
    'kernel tainted: N, in-kernel test',
  ]);
  t.deepEqual(splats[0], {
    title: 'kernel tainted: U, user space asked for it',
    kind: 'taint',
    phase: 'test',
    task: null,
    torn: false,
    lines: ['/proc/sys/kernel/tainted: 4096 when the test began, 266304 at its end'],
    panic: null,
  });
});

test('a flag is told once: by the complaint that it was set with, by its own line, or by the mask', (t) => {
  const warned = [splat('WARNING in f', 'warning')];
  t.deepEqual(unexplainedTaint(0, bit('W'), warned), []);
  t.deepEqual(titles(unexplainedTaint(0, bit('W') + bit('D'), warned)), ['kernel tainted: D, oops']);
  t.deepEqual(titles(unexplainedTaint(0, bit('O'), warned)), ['kernel tainted: O, out-of-tree module']);
  t.deepEqual(unexplainedTaint(0, bit('O'), [splat(taintTitle('O'), 'taint')]), []);
  t.is(unexplainedTaint(0, bit('W'), [splat('Out of memory: Killed process x', 'oom')]).length, 1);
});

test('flags of a kernel that Kiln does not know, and beyond 32 bits', (t) => {
  t.deepEqual(titles(unexplainedTaint(0, 2 ** 25 + 2 ** 40, [])), [
    'kernel tainted: bit 25, unknown to Kiln',
    'kernel tainted: bit 40, unknown to Kiln',
  ]);
});

function splat(title: string, kind: SplatResult['kind']): SplatResult {
  return { title, kind, phase: 'test', task: null, torn: false, lines: [title], panic: null };
}
