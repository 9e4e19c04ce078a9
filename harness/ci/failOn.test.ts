// SPDX-License-Identifier: MIT
import test from 'ava';
import type { KilnError } from '../errors.ts';
import { exampleCi } from '../testing/exampleCi.ts';
import { failedChecks, parseFailOn } from './failOn.ts';

test('the checks are named with commas', (t) => {
  t.deepEqual(parseFailOn('warnings,checkpatch,warnings,'), ['warnings', 'checkpatch']);
});

test('a check that does not exist is refused with the list of those that do', (t) => {
  for (const [text, message] of [
    ['warnings,sparse,W=1', /^--fail-on warnings,sparse,W=1: no check is called "sparse", "W=1"$/],
    ['', /it is empty/],
    [',', /it is empty/],
  ] as const) {
    const error = t.throws(() => parseFailOn(text)) as KilnError;
    t.regex(error.message, message);
    t.regex(error.hint, /apply, checkpatch, tags, build, warnings, kernel-doc, size, elsewhere, boot, tests/);
    t.is(error.code, 'usage');
  }
});

test('a check that warns, fails or could not be made has a line with its patch', (t) => {
  const { patches } = exampleCi().ci!;
  t.deepEqual(failedChecks(patches, ['checkpatch', 'warnings', 'tags', 'size']), [
    'patch 2 (demo: name the users): checkpatch: 1 check',
    'patch 2 (demo: name the users): tags: not checked: Fixes: is not checked without --repo',
    'patch 2 (demo: name the users): warnings: 2 new warnings',
  ]);
  t.deepEqual(failedChecks(patches, ['size']), []);
  t.deepEqual(failedChecks(patches, []), []);
});

test('what fails the run anyway has no second line', (t) => {
  t.deepEqual(failedChecks(exampleCi().ci!.patches, ['tests', 'build', 'apply']), []);
});
