// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { KilnError } from '../errors.ts';
import { paths } from '../paths.ts';
import { readMutants } from './mutants.ts';
import { findSuites } from './suite.ts';

const message = (trailers: string) => `From: Ann <ann@example.org>
Subject: [PATCH] fs: do not
 count

It must count.

${trailers}---
diff --git a/a.c b/a.c
--- a/a.c
+++ b/a.c
@@ -1 +1 @@
-Caught-by: the/diff
+b
`;

test('a mutant names what it breaks and the case that notices', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-mutants-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  t.deepEqual(await readMutants({ dir }), []);
  await mkdir(join(dir, 'mutants'));
  const write = (name: string, text: string) => writeFile(join(dir, 'mutants', name), text);
  await write('b.patch', message('Caught-by: fs/races races.open\n'));
  await write('c.patch', message('Caught-by: fs/races\nSurvives: TCG has\n no caches\n'));
  await write('README', 'no patch');
  const path = (name: string) => join(dir, 'mutants', name);
  t.deepEqual(await readMutants({ dir }), [
    {
      name: 'b',
      path: path('b.patch'),
      breaks: 'fs: do not count',
      caughtBy: { test: 'fs/races', case: 'races.open' },
      survives: null,
    },
    {
      name: 'c',
      path: path('c.patch'),
      breaks: 'fs: do not count',
      caughtBy: { test: 'fs/races', case: null },
      survives: 'TCG has no caches',
    },
  ]);
  await write('d.patch', message(''));
  const error = await t.throwsAsync<KilnError>(readMutants({ dir }));
  t.is(error.code, 'bad-input');
  t.regex(error.message, /d\.patch does not say which test notices it$/);
});

test('each mutant of the default suites names a test that there is', async (t) => {
  const suites = await findSuites(paths.guestTests);
  const known = suites.flatMap(({ name, tests }) => tests.map((one) => `${name}/${one.name}`));
  for (const suite of suites)
    for (const { name, caughtBy } of await readMutants(suite))
      t.true(known.includes(caughtBy.test), `${suite.name}: ${name}`);
});
