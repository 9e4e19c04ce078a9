// SPDX-License-Identifier: MIT
// Every suite also passes on a debug kernel.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from '../kernel/dotConfig.ts';
import type { Suite } from '../suite/suite.ts';
import { failingSplats, kiln, kilnTest } from './kiln.ts';

/** Without sections, which run the same programs on other machines: the plain kernel is tested on those. */
const { suites } = JSON.parse((await kiln(['list', '--json'])).stdout) as { suites: Suite[] };
const tests = suites.flatMap(({ name, tests: all }) => all.map(({ program }) => `${name}/${program}@`));
const debug = ['--config', 'kasan,lockdep,debugvm'];

test.serial('all suites pass on a kernel with KASAN, lockdep and DEBUG_VM', async (t) => {
  await kilnTest([...new Set(tests), ...debug], async ({ exitCode, results, dir, stdout }) => {
    t.is(exitCode, 0, stdout);
    t.deepEqual(failingSplats(results), []);
    const config = parseConfig(await readFile(join(dir, 'jobs', results.jobs[0]!.id, '.config'), 'utf8'));
    for (const symbol of ['KASAN', 'PROVE_LOCKING', 'DEBUG_VM']) t.is(config.get(symbol), 'y', symbol);
  });
});

test.serial('files survive a kernel with another configuration', async (t) => {
  const plain = (await kiln(['build'])).stdout.trim();
  const chain = ['--next', plain, '--next', 'same', '--generations', '3'];
  await kilnTest(['liveupdate/data', ...debug, ...chain], ({ exitCode, results, stdout }) => {
    t.is(exitCode, 0, stdout);
    for (const { generations } of results.tests) t.is(generations!.length, 3);
  });
});
