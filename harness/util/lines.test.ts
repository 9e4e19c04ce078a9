// SPDX-License-Identifier: MIT
import test from 'ava';
import { type Line, LineSplitter } from './lines.ts';

test('lines are the same however the bytes are cut into chunks', (t) => {
  const bytes = Buffer.from('one\r\ntwo\n\nгрань\nlast');
  for (let size = 1; size <= bytes.length; size++) {
    t.deepEqual(
      split(bytes, size).map((line) => line.text),
      ['one', 'two', '', 'грань', 'last'],
    );
  }
});

test('a long line is cut and marked, the next is whole', (t) => {
  const bytes = Buffer.from('0123456789\nabcd\n');
  for (let size = 1; size <= bytes.length; size++) {
    t.deepEqual(split(bytes, size, 4), [
      { text: '0123', cut: true },
      { text: 'abcd', cut: false },
    ]);
  }
});

test('text is counted in what is cut, however the bytes are cut into chunks', (t) => {
  const watched = (text: string, size: number) =>
    split(Buffer.from(text), size, 8, 'bad').map((line) => line.watched);
  for (let size = 1; size <= 40; size++) {
    t.deepEqual(watched('bad 5678 x bad y bad\nbad 567 \n', size), [2, undefined]);
    t.deepEqual(watched('bad 56ba' + 'd and more\n', size), [1]);
    t.deepEqual(watched('bad 5bad' + ' and more\n', size), [undefined]);
  }
});

test('a chunk may be overwritten after it was given', (t) => {
  const splitter = new LineSplitter(100);
  const chunk = Buffer.from('held');
  t.deepEqual([...splitter.write(chunk)], []);
  chunk.fill(0);
  t.deepEqual([...splitter.end()], [{ text: 'held', cut: false }]);
});

test('invalid UTF-8 is replaced, not thrown at', (t) => {
  t.is(split(Buffer.from([0x61, 0xff, 0x62, 0x0a]), 2)[0]?.text, 'a\ufffdb');
});

function split(bytes: Buffer, size: number, limit = 100, watch = ''): Line[] {
  const splitter = new LineSplitter(limit, 0, watch);
  const lines: Line[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    lines.push(...splitter.write(bytes.subarray(at, at + size)));
  }
  return [...lines, ...splitter.end()];
}
