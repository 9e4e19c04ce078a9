// SPDX-License-Identifier: MIT
import test from 'ava';
import { exampleCi } from '../testing/exampleCi.ts';
import { patchworkChecks } from './patchwork.ts';

test('the checks of a patch are under its message id', (t) => {
  const checks = patchworkChecks(exampleCi());
  t.deepEqual(
    Object.keys(checks),
    [1, 2, 3].map((number) => `20260102-demo-v2-${number}-0a1b2c@example.org`),
  );
  t.deepEqual(checks['20260102-demo-v2-2-0a1b2c@example.org']!.slice(0, 3), [
    { state: 'success', context: 'kiln-apply', description: '' },
    { state: 'warning', context: 'kiln-checkpatch', description: '1 check' },
    {
      ...{ state: 'pending', context: 'kiln-tags' },
      description: 'not checked: Fixes: is not checked without --repo',
    },
  ]);
  t.deepEqual(checks['20260102-demo-v2-3-0a1b2c@example.org']!.at(-1), {
    ...{ state: 'fail', context: 'kiln-tests', description: '2 new failures' },
  });
});

test('a patch that did not come by mail has no checks, and a strange id changes nothing else', (t) => {
  const { patches } = exampleCi().ci!;
  const [one, two] = patches;
  const ids = exampleCi({
    patches: [
      { ...one!, message_id: null },
      { ...two!, message_id: '__proto__' },
    ],
  });
  t.deepEqual(Object.keys(patchworkChecks(ids)), ['__proto__']);
});

test('contexts are slugs, and descriptions are short', (t) => {
  const { patches } = exampleCi().ci!;
  const long = exampleCi({
    patches: patches.map((one) => ({
      ...one,
      checks: one.checks.map((check) => ({ ...check, summary: 'word\n'.repeat(999) })),
    })),
  });
  for (const { context, description } of Object.values(patchworkChecks(long)).flat()) {
    t.regex(context, /^[\w-]{1,255}$/);
    t.is(description.length, 255);
    t.notRegex(description, /\n/);
  }
});
