// SPDX-License-Identifier: MIT
// A kernel that misbehaves on purpose: what is made of its complaints, and of its silence. It is that of debug-kernel with
// a series and a few options on top, and is built from that one's objects: so this comes after it.
import test from 'ava';
import { assertExpected, fixture, readCanaries, verdictsOf } from './canaries.ts';
import { allSeries, besideDefaults, find, sharedRun, verdicts } from './kiln.ts';

const kernel = [...allSeries(), '--series', fixture('provoke'), '--config', 'kasan,lockdep,debugvm'];
const suites = besideDefaults(fixture('kernel_canaries'));

const stills = ['deadlock', 'soft_lockup', 'spin_one_cpu', 'spin_all_cpus'].map(
  (name) => `kernel_canaries/${name}`,
);
const all = await readCanaries('kernel_canaries');
const complaining = all.filter(({ program }) => !stills.includes(program));
const standing = all.filter(({ program }) => stills.includes(program));
const programs = (some: typeof all) => [...new Set(some.map(({ program }) => program))];

const complaints = sharedRun([...programs(complaining), ...suites, ...kernel]);
// Guest time, however slow the guest: its watchdogs speak after ten seconds.
const silences = sharedRun([...programs(standing), '--timeout', '30', ...suites, ...kernel]);

for (const [canaries, shared] of [
  [complaining, complaints],
  [standing, silences],
] as const) {
  for (const canary of canaries) test(canary.name, (t) => assertExpected(t, shared.ran.results, canary));
  test(`there is no other verdict beside ${canaries[0]!.name}`, (t) => {
    t.deepEqual(verdicts(shared.ran.results), verdictsOf([...canaries]));
    t.is(shared.ran.exitCode, 1, shared.ran.stdout);
  });
}

test('what is said of a kernel that complains', (t) => {
  const detail = (name: string) => find(complaints.ran.results, `kernel_canaries/${name}`).detail;
  t.regex(detail('warn@another-expected'), /^no splat came that matches \^WARNING in some_other/);
  t.regex(detail('warn@expected-and-more'), /^no splat came that matches \^BUG:/);
  t.is(detail('panic_elsewhere'), 'the kernel died during the test: kernel panic: dumptest');
});

test('a kernel that stands still is ended, with what it said of that', (t) => {
  const detail = (name: string) => find(silences.ran.results, `kernel_canaries/${name}`).detail;
  t.regex(detail('spin_all_cpus'), /the guest hung during the test/);
  for (const one of ['deadlock', 'soft_lockup', 'spin_one_cpu'])
    t.regex(detail(one), /^not done within 30 s/);
});
