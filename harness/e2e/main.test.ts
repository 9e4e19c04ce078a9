// SPDX-License-Identifier: MIT
// The main job, as `make test` runs it, and its output files.
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from '../kernel/dotConfig.ts';
import type { Results } from '../schema.ts';
import { fixture } from './canaries.ts';
import { failingSplats, kiln, kilnTest, withTests } from './kiln.ts';

test.serial('all series of patches/ pass all suites', async (t) => {
  await kilnTest([], async ({ exitCode, dir, results, stdout }) => {
    t.is(exitCode, 0, stdout);
    t.is(results.exit_code, 0);
    t.is(results.summary.total, results.summary.pass + results.summary.skip + results.summary.xfail);
    const srvfs = results.tests.filter(({ suite }) => suite === 'srvfs');
    t.true(srvfs.flatMap(({ cases }) => cases).length >= 40);
    t.true(results.tests.some(({ suite }) => suite === 'boot'));
    t.deepEqual(failingSplats(results), []);
    const [job] = results.jobs;
    t.regex(job!.base.version!, /linux-source-6\.12 6\.12\./);
    t.regex(job!.base.sha256!, /^[0-9a-f]{64}$/);
    t.true(
      job!.series.some(({ name, patches }) => name === 'srvfs' && patches.every(({ commit }) => commit)),
    );
    t.deepEqual(job!.kernel!.warnings, []);
    for (const { guest } of results.tests)
      for (const file of [guest!.console, guest!.kmsg, guest!.output]) await access(join(dir, file));
    const config = parseConfig(await readFile(join(dir, 'jobs', job!.id, '.config'), 'utf8'));
    t.is(config.get('SRV_FS'), 'y');
    t.regex(await readFile(join(dir, 'junit.xml'), 'utf8'), /^<\?xml/);
    t.regex(await readFile(join(dir, 'results.ktap'), 'utf8'), /^KTAP version 1\n/);
    t.regex(await readFile(join(dir, 'report.html'), 'utf8'), /^<!doctype html>\n/);
  });
});

test.serial('a second run builds nothing; kiln report shows it and returns its exit code', async (t) => {
  await kilnTest(['boot'], async ({ exitCode, results, dir }) => {
    t.is(exitCode, 0);
    const rebuilt = results.jobs[0]!.stages.filter(({ name, cached }) => name !== 'tests' && !cached);
    t.deepEqual(rebuilt, []);
    t.regex(results.jobs[0]!.compiler!, /^gcc /);

    const text = await kiln(['report', dir]);
    t.is(text.exitCode, 0);
    t.regex(text.stdout, /PASS +boot\/environment/);
    const ktap = await kiln(['report', dir, '--format', 'ktap']);
    t.regex(ktap.stdout, /ok 1 environment/);
  });
});

test.serial('tests of a directory run on the kernel at hand if it has what they need', async (t) => {
  const kernelOf = ({ jobs: [job] }: Results) => job!.keys.kernel;
  const usual = await kilnTest(['boot'], ({ results }) => kernelOf(results));
  await kilnTest(['canaries/pass', ...withTests(fixture('canaries'))], ({ exitCode, results }) => {
    t.is(exitCode, 0);
    t.is(kernelOf(results), usual);
  });
});
