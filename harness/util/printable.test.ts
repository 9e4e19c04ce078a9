// SPDX-License-Identifier: MIT
import test from 'ava';
import { printable } from './printable.ts';

test('ordinary text, tabs, line ends and other scripts stay', (t) => {
  const text = 'ok 1 größe\tzwei\n第三 🙂';
  t.is(printable(text), text);
});

test('terminal escapes go with their parameters', (t) => {
  t.is(printable('\x1b[31;1mred\x1b[0m'), 'red');
  t.is(printable('\x1b]0;evil title\x07text'), 'text');
  t.is(printable('\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\'), 'link');
  t.is(printable('\x1bPq#0;1\x1b\\after'), 'after');
  t.is(printable('a\x1b(Bb\x1b7c\x1bcd'), 'abcd');
  t.is(printable('\x9b2Jcleared\x9d0;t\x9c!'), 'cleared!');
});

test('an escape that never ends takes no more than its line', (t) => {
  t.is(printable('a\x1b]0;unended\nnext'), 'a\nnext');
  t.is(printable('a\x1b['), 'a');
  t.is(printable('a\x1b'), 'a');
});

test('control characters go', (t) => {
  t.is(printable('a\x00b\x08c\x7fd\x85e'), 'abcde');
});

test('a carriage return can not overwrite a line', (t) => {
  t.is(printable('FAIL\rPASS'), 'FAIL\nPASS');
  t.is(printable('one\r\ntwo\r\n'), 'one\ntwo\n');
});

test('marks that reorder text go, and so do halves of surrogate pairs', (t) => {
  t.is(printable('a\u202eb\u2066c\u200bd'), 'abcd');
  t.is(printable('x\ud800y\udc00z'), 'xyz');
});
