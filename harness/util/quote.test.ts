// SPDX-License-Identifier: MIT
import { execFileSync } from 'node:child_process';
import test from 'ava';
import { quote } from './quote.ts';

test('a shell reads a quoted word back as it was', (t) => {
  for (const word of ['plain', "it's", 'a b', '$HOME', '', 'x\ny', '--flag=a,b', 'memmap=64M$0x8000000'])
    t.is(execFileSync('sh', ['-c', `printf %s ${quote(word)}`], { encoding: 'utf8' }), word);
});
