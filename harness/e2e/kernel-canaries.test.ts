// SPDX-License-Identifier: MIT
// A kernel that misbehaves on purpose, by splats and by hangs. It is the kernel of debug-kernel.test.ts with a series
// and a few options on top. It reuses the objects of that kernel, so this file runs after it.
import test from 'ava';
import { assertExpected, fixture, readCanaries, verdictsOf } from './canaries.ts';
import { allSeries, find, sharedRun, verdicts, withTests } from './kiln.ts';

const kernel = [...allSeries(), '--series', fixture('provoke'), '--config', 'kasan,lockdep,debugvm'];
const suites = withTests(fixture('kernel_canaries'));

const stills = ['deadlock', 'soft_lockup', 'spin_one_cpu', 'spin_all_cpus'].map(
  (name) => `kernel_canaries/${name}`,
);
const all = await readCanaries('kernel_canaries');
const complaining = all.filter(({ program }) => !stills.includes(program));
const standing = all.filter(({ program }) => stills.includes(program));
const programs = (some: typeof all) => [...new Set(some.map(({ program }) => program))];

const complaints = sharedRun([...programs(complaining), ...suites, ...kernel]);
// 30 s of guest time: the watchdogs of the kernel report after ten seconds, however slow the guest is.
const silences = sharedRun([...programs(standing), '--timeout', '30', ...suites, ...kernel]);

for (const [canaries, shared] of [
  [complaining, complaints],
  [standing, silences],
] as const) {
  for (const canary of canaries) test(canary.name, (t) => assertExpected(t, shared.ran.results, canary));
  test(`the run with ${canaries[0]!.name} has only the expected verdicts`, (t) => {
    t.deepEqual(verdicts(shared.ran.results), verdictsOf([...canaries]));
    t.is(shared.ran.exitCode, 1, shared.ran.stdout);
  });
}

test('the details of tests whose kernel prints splats', (t) => {
  const detail = (name: string) => find(complaints.ran.results, `kernel_canaries/${name}`).detail;
  t.regex(detail('warn@another-expected'), /^no splat came that matches \^WARNING in some_other/);
  t.regex(detail('warn@expected-and-more'), /^no splat came that matches \^BUG:/);
  t.is(detail('panic_elsewhere'), 'the kernel died during the test: kernel panic: dumptest');
});

test('a kernel that hangs is ended, and the detail has the reason', (t) => {
  const detail = (name: string) => find(silences.ran.results, `kernel_canaries/${name}`).detail;
  t.regex(detail('spin_all_cpus'), /the guest hung during the test/);
  for (const one of ['deadlock', 'soft_lockup', 'spin_one_cpu'])
    t.regex(detail(one), /^not done within 30 s/);
});
