// SPDX-License-Identifier: MIT
import test from 'ava';
import { isPlainPath } from './context.ts';

test('paths that make or its shell misread are told', (t) => {
  for (const plain of ['/home/ann/.cache/kiln', '/a+b/c@d,e~/kiln-1.0_x', '/tmp/größe'])
    t.true(isPlainPath(plain), plain);
  for (const name of [...' \t\n:=%#$&;|<>()\'"`\\*?[]{}']) t.false(isPlainPath(`/home/a${name}b`), name);
});
