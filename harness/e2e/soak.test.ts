// SPDX-License-Identifier: MIT
// Many repetitions: few in `make check-all`, thousands in `make soak`.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { paths } from '../paths.ts';
import { canaries, canaryDirs, fixture, readCanaries, verdictsOf } from './canaries.ts';
import { find, kiln, kilnTest, ownSuite, verdicts, withTests } from './kiln.ts';

const forks = Number(process.env.KILN_SOAK_FORKS ?? 50);
const rounds = Number(process.env.KILN_SOAK_ROUNDS ?? 1);
const interruptions = Number(process.env.KILN_SOAK_INTERRUPTIONS ?? 10);
/** Adds tests that `make check-all` has in other files, or not at all. */
const isLong = process.env.KILN_SOAK_INTERRUPTIONS !== undefined;
const day = 86_400_000;

test.serial(`${forks} forks of one guest all start`, async (t) => {
  t.timeout(day);
  const { exitCode, stdout, stderr } = await kiln(['bench', 'restore', '--rounds', String(forks), '--json']);
  t.is(exitCode, 0, stderr);
  const { failures, reasons, cold_fork_ms } = JSON.parse(stdout);
  t.is(failures, 0, reasons.join('\n'));
  t.is(cold_fork_ms.n, forks);
});

test.serial(`canaries and good tests at once, rounds: ${rounds}, without a wrong verdict`, async (t) => {
  t.timeout(day);
  const good = [fixture('identity'), join(paths.images, 'bench', 'trivial')];
  const tests = withTests(ownSuite('boot'), ...canaryDirs, ...good);
  const expected = {
    ...verdictsOf(await readCanaries(...canaries)),
    'boot/environment': 'pass',
    'identity/one': 'pass',
    'identity/two': 'pass',
    'trivial/trivial': 'pass',
  };
  const wanted = [...canaries, 'boot/environment', 'identity', 'trivial', ...tests, '--jobs', '4'];
  for (let round = 1; round <= rounds; round++)
    await kilnTest(wanted, ({ results }) => {
      t.deepEqual(verdicts(results), expected, `round ${round}`);
      t.true(
        results.tests.every(({ guest }) => guest?.origin === 'fork'),
        `round ${round}`,
      );
      t.log(`round ${round} of ${rounds}: ${results.duration_ms} ms`);
    });
});

/** `kiln repeat`: no attempt of `times` fails. */
async function repeat(
  t: ExecutionContext,
  name: string,
  times: number,
  options: string[] = [],
): Promise<void> {
  t.timeout(day);
  const { stdout, stderr } = await kiln(['repeat', name, '--times', String(times), '--json', ...options]);
  const { failed, of, reasons } = JSON.parse(stdout);
  t.is(of, times, stderr);
  t.is(failed, 0, JSON.stringify(reasons));
}

/** Options for the default suites, with more kernel parameters for the guests of one suite. The kernel is the same. */
async function withWords(t: ExecutionContext, suite: string, words: string): Promise<string[]> {
  const parent = await mkdtemp(join(tmpdir(), 'kiln-soak-'));
  t.teardown(() => rm(parent, { recursive: true, force: true }));
  const copy = join(parent, suite);
  await cp(join(paths.guestTests, suite), copy, { recursive: true });
  const settings = join(copy, 'settings');
  const changed = (await readFile(settings, 'utf8')).replace(/^cmdline=.*/m, (line) => `${line} ${words}`);
  t.true(changed.includes(words));
  await writeFile(settings, changed);
  return withTests(copy);
}

test.serial(`kernels that end while files change, ${interruptions} times: nothing is lost`, async (t) => {
  await repeat(t, 'liveupdate/interrupted', interruptions);
});

if (isLong) {
  test.serial('files survive 20 kernels, and a virtual machine 10', async (t) => {
    t.timeout(day);
    const go = (generations: string, ...names: string[]) =>
      kilnTest([...names.map((name) => `liveupdate/${name}`), '--generations', generations], (ran) =>
        t.is(ran.exitCode, 0, ran.stdout),
      );
    await go('21', 'data', 'churn');
    await go('11', 'vm_one_cpu', 'vm_two_cpus');
  });

  test.serial('files survive a kernel without guestmemfs', async (t) => {
    t.timeout(day);
    const { stdout } = await kiln(['build', '--no-series', '--with', 'ioapic-race']);
    const args = ['liveupdate/data', '--generations', '5', '--next', stdout.trim(), '--next', 'same'];
    await kilnTest(args, (ran) => {
      t.is(ran.exitCode, 0, ran.stdout);
      const cases = find(ran.results, 'liveupdate/data').cases.map(({ name }) => name);
      const passed = cases.filter((name) => name.endsWith('knows nothing of guestmemfs'));
      t.is(passed.length, 2);
    });
  });

  test.serial('10,000 damages of metadata are refused or survived', async (t) => {
    await repeat(t, 'guestmemfs/superblock', 10, await withWords(t, 'guestmemfs', 'GUESTMEMFS_DAMAGES=1000'));
  });

  test.serial('races for half an hour', async (t) => {
    await repeat(t, 'msharefs/races', 40);
    await repeat(t, 'guestmemfs/races', 10);
  });
}
