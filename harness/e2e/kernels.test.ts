// SPDX-License-Identifier: MIT
// The oldest and the newest kernels of Debian's, with gcc and with clang: they build, boot, fork, and run a suite of
// their own tree.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { cacheDirectory } from '../context.ts';
import { quietContext } from '../testing/context.ts';
import { prepareBase } from '../tree/base.ts';
import { exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import { find, kilnTest, ownSuite, verdicts, withTests } from './kiln.ts';

const bases = [
  ['debian:linux-source-6.1', /^6\.1\./],
  ['debian:linux-source-6.12', /^6\.12\./],
  ['debian:linux-source-7.2@sid', /^7\.2\./],
] as const;
/** Debian's packages name their version. Linux 7.2 takes 17.0.1 and newer. */
const llvm = '19';

for (const [base, release] of bases) {
  const compilers: string[][] = base.includes('7.2') ? [[], [`--llvm=-${llvm}`]] : [[]];
  for (const compiler of compilers)
    test.serial(`${[base, ...compiler].join(' ')}: boot and the timers of its own tree`, async (t) => {
      if (compiler.length > 0) await requireClang();
      const selftests = await selftestsOf(base);
      t.teardown(() => rm(selftests, { recursive: true }));
      const tests = withTests(ownSuite('boot'), join(selftests, 'tools/testing/selftests/timers'));
      await kilnTest(['--no-series', '--base', base, ...compiler, ...tests], ({ results, stdout }) => {
        const [job] = results.jobs;
        t.is(job!.error, null, stdout);
        t.regex(job!.kernel!.release, release);
        if (compiler.length > 0) t.regex(job!.compiler!, /clang version/);
        const all = verdicts(results);
        t.is(all['boot/environment'], 'pass', stdout);
        for (const name of ['nanosleep', 'inconsistency-check'])
          t.is(all[`timers/${name}`], 'pass', `${name}\n${stdout}`);
        // Some of its cases fail on Linux 6.12, and others where the machine is busy.
        t.true(find(results, 'timers/posix_timers').cases.length >= 5, stdout);
        for (const { guest, test: name } of results.tests) t.is(guest?.origin, 'fork', name);
      });
    });
}

/** The selftests of a base, as files. */
async function selftestsOf(base: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-selftests-'));
  const { gitDir, commit } = (await prepareBase(base, quietContext(cacheDirectory()))).base;
  const archive = join(dir, 'selftests.tar');
  await git(gitDir, ['archive', '--output', archive, commit, 'tools/testing/selftests']);
  await exec('tar', ['--extract', '--file', archive, '--directory', dir]);
  return dir;
}

async function requireClang(): Promise<void> {
  const found = await exec(`clang-${llvm}`, ['--version']).catch(() => null);
  if (found) return;
  const packages = [`clang-${llvm}`, `lld-${llvm}`, `llvm-${llvm}`];
  await exec('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { silence: 600_000 });
}
