// SPDX-License-Identifier: MIT
// A series with a W=1 warning, whose kernel also prints a WARNING at boot, and a series that gcc refuses.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { allSeries, cacheWithOwnTemplates, kiln, kilnTest, sharedRun } from './kiln.ts';
import { seriesOf, versionPatch } from './onePatch.ts';

const scratch = await mkdtemp(join(tmpdir(), 'kiln-complaining-'));

const added = [
  '+#include <linux/bug.h>',
  '+#include <linux/init.h>',
  '+int kiln_no_prototype(void) { return 1; }',
  '+static int __init kiln_complain(void) { return WARN_ON(1); }',
  '+late_initcall(kiln_complain);',
];
const body = versionPatch('linux/init/version.c', added.join('\n')).replace('+1,4', '+1,8');
const complainingSeries = await seriesOf(scratch, 'complaining', body);
const cache = await cacheWithOwnTemplates();
// ava takes hooks and tests only after the last await of a file.
test.after.always(() => rm(scratch, { recursive: true, force: true }));
test.after.always(() => cache[Symbol.asyncDispose]());
// ccache depends on the path of the tree. So the kernel is first built in the shared cache; the run finds it there.
test.serial.before(async () => void (await kiln(['build', ...allSeries(), '--series', complainingSeries])));
const complaining = sharedRun(['boot', ...allSeries(), '--series', complainingSeries], {
  env: { XDG_CACHE_HOME: cache.home },
});

test.serial('W=1 warnings in files of the series are shown with their patch', (t) => {
  const { results, stdout } = complaining.ran;
  const { warnings } = results.jobs[0]!.kernel!;
  t.is(warnings[0]!.file, 'init/version.c', stdout);
  t.is(warnings[0]!.patch, '0001-init-change-a-line.patch');
  t.regex(warnings[0]!.text, /no previous prototype/);
  t.regex(stdout, /init\/version\.c:4: no previous prototype/);
});

test.serial('a WARNING at boot fails every test, and the template is not kept', async (t) => {
  const { exitCode, results } = complaining.ran;
  t.is(exitCode, 1);
  for (const { verdict, detail, splats, guest } of results.tests) {
    t.is(verdict, 'fail');
    t.regex(detail, /WARNING in kiln_complain/);
    t.deepEqual([splats.length, splats[0]!.phase, guest!.origin], [1, 'boot', 'fork']);
  }
  t.deepEqual(await readdir(cache.templates), []);
});

test.serial('a patch that does not build is named with the compiler’s error', async (t) => {
  const series = await seriesOf(scratch, 'broken', versionPatch('linux/init/version.c', '+int broken = ;'));
  await kilnTest(['boot', ...allSeries(), '--series', series], ({ exitCode, results }) => {
    t.is(exitCode, 4);
    const error = results.jobs[0]!.error!;
    t.is(error.code, 'does-not-build');
    t.is(error.patch, '0001-init-change-a-line.patch');
    t.regex(error.message, /init\/version\.c:2: expected expression/);
  });
});
