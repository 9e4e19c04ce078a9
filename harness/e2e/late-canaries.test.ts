// SPDX-License-Identifier: MIT
// A splat after the last process of a test has exited belongs to that test, whether each test has a fork, each has a
// booted guest, or all share one guest. The kernel is the plain one with one more series.
import { join } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';
import { allSeries, kilnTest, withTests } from './kiln.ts';

const fixture = (name: string) => join(paths.root, 'harness', 'fixtures', name);
const what = [
  'late_canaries',
  ...withTests(fixture('late_canaries')),
  ...allSeries(),
  '--series',
  fixture('provoke'),
];
const warning = (name: string) => ['fail', [['test', `WARNING in ${name} at lib/kiln_provoke.c`]]];
/** The verdict of each test, with all splats and their phases. */
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
  test.serial(`splats in RCU callbacks, work and delayed work are seen in ${where}`, async (t) => {
    await kilnTest([...what, ...options], ({ exitCode, results, stdout }) => {
      const seen = results.tests.map(({ test: name, verdict, splats }) => [
        name,
        [verdict, splats.map(({ phase, title }) => [phase, title])],
      ]);
      t.deepEqual(Object.fromEntries(seen), expected, stdout);
      t.is(exitCode, 1);
    });
  });
