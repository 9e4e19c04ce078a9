// SPDX-License-Identifier: MIT
import test from 'ava';
import { excerpt } from './excerpt.ts';

const lines = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`);

test('three lines on either side', (t) => {
  const { first, lines: some } = excerpt(lines, 10)!;
  t.is(first, 7);
  t.deepEqual(some, lines.slice(6, 13));
});

test('fewer at the ends of a file, and none beyond', (t) => {
  t.deepEqual(excerpt(lines, 1), { first: 1, lines: lines.slice(0, 4) });
  t.deepEqual(excerpt(lines, 20), { first: 17, lines: lines.slice(16) });
  t.is(excerpt(lines, 0), null);
  t.is(excerpt(lines, 21), null);
});

test('an endless line is cut', (t) => {
  t.is(excerpt(['x'.repeat(1e6)], 1)!.lines[0]!.length, 300);
});
