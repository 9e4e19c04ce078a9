// SPDX-License-Identifier: MIT
import test from 'ava';
import { ascii, cut, firstOf, oneLine, wrap } from './plain.ts';

test('ASCII keeps what a reader needs', (t) => {
  t.is(ascii('Jörg Łukasz: 3 × “a–b”… naïve ﬁx\t→ 内'), 'Jorg Lukasz: 3 x "a-b"... naive fix\t? ?');
});

test('one line', (t) => t.is(oneLine(' a\r\nb\t\x1b[31mc\u202e '), 'a b c'));

test('a cut text has its length, and no half of a character', (t) => {
  t.is(cut('abcdef', 6), 'abcdef');
  t.is(cut('abcdefg', 6), 'abc...');
  t.is(cut('ab🙂defg', 6), 'ab...');
});

test('prose is wrapped at 72 columns, behind what stands before it', (t) => {
  const lines = wrap('word '.repeat(40), '  * ');
  t.deepEqual(
    lines.map((line) => line.length),
    [68, 68, 68, 8],
  );
  t.true(lines[0]!.startsWith('  * word') && lines[1]!.startsWith('    word'));
  t.deepEqual(wrap(''), ['']);
  for (const long of ['x'.repeat(9999), 'a: '.repeat(9999), `${'x'.repeat(70)}: `.repeat(99)])
    t.true(wrap(`a ${long}`, '* ').every((line) => line.length <= 74));
});

test('no line of wrapped prose begins like a trailer', (t) => {
  for (let length = 40; length < 80; length++) {
    const lines = wrap(`${'x'.repeat(length)} and Acked-by: A <a@b.c> Fixes: 0123`, '* ');
    for (const line of lines) t.notRegex(line, /^\s*\w\S+:\s/, line);
  }
});

test('the first of many items, and how many more', (t) => {
  const shown = (most: number) =>
    firstOf(
      [1, 2, 3],
      most,
      (one) => [`${one}`],
      (more) => `${more} more`,
    );
  t.deepEqual(shown(3), ['1', '2', '3']);
  t.deepEqual(shown(2), ['1', '2', '1 more']);
});
