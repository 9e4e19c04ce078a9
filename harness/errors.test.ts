// SPDX-License-Identifier: MIT
import test from 'ava';
import { asKilnError, KilnError } from './errors.ts';

test('an error before a failed teardown is the one that is reported', (t) => {
  const first = new KilnError('does-not-build', 'a typo');
  t.is(asKilnError(new SuppressedError(new Error('not empty'), first)), first);
  t.regex(asKilnError(new SuppressedError(new Error('b'), new Error('the first'))).message, /the first/);
});

test('a place where nothing can be written is named, with what to set', (t) => {
  for (const [code, hint] of [
    ['EROFS', /XDG_CACHE_HOME/],
    ['EACCES', /XDG_CACHE_HOME/],
    ['ENOSPC', /kiln clean/],
  ] as const) {
    const error = asKilnError(Object.assign(new Error(`${code}: no, mkdir '/x'`), { code }));
    t.is(error.code, 'infrastructure');
    t.regex(error.message, /mkdir '\/x'/);
    t.regex(error.hint, hint);
  }
});
