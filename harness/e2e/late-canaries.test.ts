// SPDX-License-Identifier: MIT
// What a kernel complains of when the last process of a test is gone is that test's: where each has a fork, where each
// has a guest that was booted, and where all share one. Needs a plain kernel with one series on top.
import { join } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';
import { allSeries, besideDefaults, kilnTest } from './kiln.ts';

const fixture = (name: string) => join(paths.root, 'harness', 'fixtures', name);
const what = [
  'late_canaries',
  ...besideDefaults(fixture('late_canaries')),
  ...allSeries(),
  '--series',
  fixture('provoke'),
];
const warning = (name: string) => ['fail', [['test', `WARNING in ${name} at lib/kiln_provoke.c`]]];
/** The verdict of each, with all splats and the phases that they came in. */
const expected = {
  delayed_work: warning('provoke_delayed_work_fn'),
  rcu: warning('provoke_callback'),
  unaffected: ['pass', []],
  work: warning('provoke_work_fn'),
};

for (const [where, options] of [
  ['forks', []],
  ['booted guests', ['--isolate', 'boot']],
  ['one guest', ['--isolate', 'suite']],
] as const)
  test.serial(`what comes by RCU, work and delayed work is seen in ${where}`, async (t) => {
    await kilnTest([...what, ...options], ({ exitCode, results, stdout }) => {
      const seen = results.tests.map(({ test: name, verdict, splats }) => [
        name,
        [verdict, splats.map(({ phase, title }) => [phase, title])],
      ]);
      t.deepEqual(Object.fromEntries(seen), expected, stdout);
      t.is(exitCode, 1);
    });
  });
