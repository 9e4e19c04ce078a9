// SPDX-License-Identifier: MIT
// The same again and again: short in `make check`, long in `make soak`.
import { join } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';
import { canaries, canaryDirs, canaryVerdicts } from './canaries.ts';
import { besideDefaults, kiln, kilnTest, verdicts } from './kiln.ts';

const forks = Number(process.env.KILN_SOAK_FORKS ?? 50);
const rounds = Number(process.env.KILN_SOAK_ROUNDS ?? 1);
const day = 86_400_000;

test.serial(`${forks} forks of one guest all come to life`, async (t) => {
  t.timeout(day);
  const { exitCode, stdout, stderr } = await kiln(['bench', 'restore', '--rounds', String(forks), '--json']);
  t.is(exitCode, 0, stderr);
  const { failures, reasons, cold_fork_ms } = JSON.parse(stdout);
  t.is(failures, 0, reasons.join('\n'));
  t.is(cold_fork_ms.n, forks);
});

test.serial(`canaries beside good tests, ${rounds} times: no wrong verdict`, async (t) => {
  t.timeout(day);
  const good = ['identity', 'trivial'].map((name) => join(paths.root, 'harness', 'fixtures', name));
  const tests = besideDefaults(...canaryDirs, ...good);
  const expected = {
    ...canaryVerdicts,
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
