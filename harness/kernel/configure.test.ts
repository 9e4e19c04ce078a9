// SPDX-License-Identifier: MIT
import test from 'ava';
import { oldTools } from './configure.ts';

test('a compiler that is too old for the tree is named with both versions', (t) => {
  const error = oldTools([
    'make[1]: Entering directory',
    '***',
    '*** C compiler is too old.',
    '***   Your Clang version:    14.0.6',
    '***   Minimum Clang version: 15.0.0',
    '***',
    'scripts/Kconfig.include:45: Sorry, this C compiler is not supported.',
  ]);
  t.is(error?.code, 'bad-input');
  t.is(
    error?.message,
    'this tree needs other tools: C compiler is too old; Your Clang version 14.0.6; Minimum Clang version 15.0.0',
  );
  t.is(oldTools(['scripts/Kconfig.include:45: Sorry']), undefined);
});
