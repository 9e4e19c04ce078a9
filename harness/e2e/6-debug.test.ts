// SPDX-License-Identifier: MIT
// Every suite also runs clean on a kernel that looks closely.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from '../kernel/config.ts';
import { kilnTest } from './kiln.ts';

test('all suites pass on a kernel with KASAN, lockdep and DEBUG_VM', async (t) => {
  await kilnTest(['--config', 'kasan,lockdep,debugvm'], async ({ exitCode, results, dir, stdout }) => {
    t.is(exitCode, 0, stdout);
    t.deepEqual(
      results.tests.flatMap(({ splats }) => splats),
      [],
    );
    const config = parseConfig(await readFile(join(dir, 'jobs', results.jobs[0]!.id, '.config'), 'utf8'));
    for (const symbol of ['KASAN', 'PROVE_LOCKING', 'DEBUG_VM']) t.is(config.get(symbol), 'y', symbol);
  });
});
