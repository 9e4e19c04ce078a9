// SPDX-License-Identifier: MIT
// A kernel that misbehaves on purpose: what is made of its complaints, and of its silence. It is that of debug-kernel with
// a series and a few options on top, and is built from that one's objects: so this comes after it.
import { join } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';
import type { Results } from '../schema.ts';
import { allSeries, besideDefaults, find, kilnTest } from './kiln.ts';

const fixture = (name: string) => join(paths.root, 'harness', 'fixtures', name);
const kernel = [...allSeries(), '--series', fixture('provoke'), '--config', 'kasan,lockdep,debugvm'];
const suites = besideDefaults(fixture('kernel_canaries'));
const named = (...names: string[]) => names.map((name) => `kernel_canaries/${name}`);

test.serial('each complaint of a kernel has its verdict and its title', async (t) => {
  const locks = ['lock_order', 'passing_key', 'no_init'];
  const others = ['warn', 'oops', 'memory_leak', 'no_leak', 'hung_task', 'panic_elsewhere'];
  await kilnTest([...named(...locks, ...others), ...suites, ...kernel], ({ exitCode, results, stdout }) => {
    t.is(exitCode, 1, stdout);
    const warning = 'warning: WARNING in provoke_warn at lib/kiln_provoke.c';
    const fault = 'gpf: general protection fault in lkdtm_EXCEPTION';
    // Nothing else, and no taint beside the complaint that it comes with.
    t.deepEqual(seen(results), {
      hung_task: ['fail', 'hung-task: INFO: task hung in lkdtm_HUNG_TASK'],
      lock_order: ['fail', 'lockdep: possible deadlock in provoke_lock_order'],
      memory_leak: ['fail', 'kmemleak: memory leak'],
      no_init: ['fail', 'lockdep: INFO: trying to register non-static key in provoke_no_init'],
      no_leak: ['pass'],
      oops: ['fail', fault],
      'oops@expected': ['pass', fault],
      panic_elsewhere: ['crash', 'panic: kernel panic: dumptest'],
      passing_key: ['fail', 'lockdep: BUG: key has not been registered in provoke_passing_key'],
      warn: ['fail', warning],
      'warn@another-expected': ['fail', warning],
      'warn@expected': ['pass', warning],
      'warn@expected-and-more': ['fail', warning],
    });
    const detail = (name: string) => find(results, `kernel_canaries/${name}`).detail;
    t.regex(detail('warn@another-expected'), /^no splat came that matches \^WARNING in some_other/);
    t.regex(detail('warn@expected-and-more'), /^no splat came that matches \^BUG:/);
    t.is(detail('panic_elsewhere'), 'the kernel died during the test: kernel panic: dumptest');
  });
});

test.serial('a kernel that stands still is ended, with what it said of that', async (t) => {
  const names = named('deadlock', 'soft_lockup', 'spin_one_cpu', 'spin_all_cpus');
  // Guest time, however slow the guest: its watchdogs speak after ten seconds.
  await kilnTest([...names, '--timeout', '30', ...suites, ...kernel], ({ exitCode, results, stdout }) => {
    t.is(exitCode, 1, stdout);
    const kinds = seen(results);
    t.deepEqual(
      Object.values(kinds).map(([verdict]) => verdict),
      names.map(() => 'timeout'),
      stdout,
    );
    // The second spin_lock() is a tail call.
    t.true(kinds.deadlock!.includes('lockdep: possible deadlock in provoke_write'), stdout);
    t.true(kinds.soft_lockup!.includes('soft-lockup: BUG: soft lockup in lkdtm_SOFTLOCKUP'), stdout);
    t.true(kinds.spin_one_cpu!.includes('hard-lockup: hard lockup in lkdtm_HARDLOCKUP'), stdout);
    t.deepEqual(kinds.spin_all_cpus, ['timeout']);
    const detail = (name: string) => find(results, `kernel_canaries/${name}`).detail;
    t.regex(detail('spin_all_cpus'), /the guest hung during the test/);
    for (const one of ['deadlock', 'soft_lockup', 'spin_one_cpu'])
      t.regex(detail(one), /^not done within 30 s/);
  });
});

/** By test: its verdict, and each splat once. */
function seen({ tests }: Results): Record<string, string[]> {
  return Object.fromEntries(
    tests.map(({ test: name, verdict, splats }) => [
      name,
      [verdict, ...new Set(splats.map(({ kind, title }) => `${kind}: ${title}`))],
    ]),
  );
}
