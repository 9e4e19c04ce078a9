// SPDX-License-Identifier: MIT
import test from 'ava';
import { asKilnError, KilnError } from './errors.ts';

test('an error before a failed teardown is the one that is reported', (t) => {
  const first = new KilnError('does-not-build', 'a typo');
  t.is(asKilnError(new SuppressedError(new Error('not empty'), first)), first);
  t.regex(asKilnError(new SuppressedError(new Error('b'), new Error('the first'))).message, /the first/);
});
