// SPDX-License-Identifier: MIT
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { plan } from '../job/plan.ts';
import { JobRecorder } from '../job/recorder.ts';
import type { KernelRequest } from '../kernel/kernel.ts';
import { barePatch } from '../series/patch.ts';
import { bareSeries } from '../series/series.ts';
import type { Suite } from '../suite/suite.ts';
import { plainAsk } from '../testing/fakeExecution.ts';
import type { Tree } from '../tree/tree.ts';
import { git } from '../util/git.ts';
import { PatchInspector } from './inspector.ts';
import { ciPlans } from './plans.ts';

const smoke: Suite = {
  ...{ name: 'boot', dir: '/boot', programs: [], tests: [], helpers: [], config: '', makefile: '' },
  scripts: [],
};

/** Finds nothing, and counts its calls. */
const script = (log: string) =>
  `#!/bin/sh\necho called >> ${log}\necho "total: 0 errors, 0 warnings, 0 checks, 1 lines checked"\n`;

test.serial('a tag is looked up in each run, what a script found is stored', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  const cache = process.env.XDG_CACHE_HOME;
  process.env.XDG_CACHE_HOME = home;
  t.teardown(async () => {
    if (cache === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = cache;
    await rm(home, { recursive: true, force: true });
  });
  const [dir, history] = [join(home, 'source'), join(home, 'history')];
  await mkdir(join(dir, 'scripts'), { recursive: true });
  await writeFile(join(dir, 'scripts', 'checkpatch.pl'), script(join(home, 'calls')));
  await chmod(join(dir, 'scripts', 'checkpatch.pl'), 0o755);
  const commit = async (at: string, message: string) => {
    await git(at, ['add', '.']);
    await git(at, ['commit', '--quiet', '--allow-empty', '-m', message]);
    return (await git(at, ['rev-parse', 'HEAD'])).stdout;
  };
  await git(home, ['init', '--quiet', dir]);
  await git(home, ['init', '--quiet', history]);
  await commit(dir, 'base');
  await commit(history, 'other');
  await git(home, ['clone', '--quiet', history, join(home, 'ahead')]);
  const fixed = await commit(join(home, 'ahead'), 'fs: break it');
  await writeFile(join(dir, 'a.txt'), 'new');
  const signed = 'Signed-off-by: kiln <kiln@localhost>';
  const own = await commit(dir, `fs: mend it\n\nFixes: ${fixed.slice(0, 12)} ("fs: break it")\n${signed}`);

  const files = ['a.txt'];
  const patches = [{ series: 's', file: 'a.patch', subject: 'fs: mend it', commit: own, files }];
  const tree: Tree = {
    ...{ key: 'k', commit: own, content: 'c', gitDir: join(dir, '.git'), patches, warnings: [], symbols: [] },
  };
  const series = bareSeries('s', '/s', [barePatch('a.patch', Buffer.from('a patch'))]);
  const plans = ciPlans(plan({ ...plainAsk, series: ['/s'] }, [], [smoke]), 1, smoke);
  const request = {
    tree,
    fragments: [],
    defaults: false,
    toolchain: { id: 't' },
  } as unknown as KernelRequest;
  const check = async () => {
    const given = { series, whole: tree, before: 0, wishes: [], again: false };
    await using inspector = new PatchInspector({ ...given, history: { gitDir: history, base: null } }, plans);
    await inspector.beforeBuild(
      new JobRecorder(plans.steps[0]!, () => {}, new AbortController().signal),
      request,
    );
    return inspector.checks.get(1)!.map(({ name, status }) => `${name} ${status}`);
  };
  t.deepEqual((await check()).toSorted(), ['checkpatch pass', 'kernel-doc pass', 'tags fail']);
  await git(history, ['pull', '--quiet', join(home, 'ahead')]);
  t.deepEqual((await check()).toSorted(), ['checkpatch pass', 'kernel-doc pass', 'tags pass']);
  t.is((await git(home, ['grep', '--no-index', '-c', 'called', '--', 'calls'])).stdout, 'calls:1');
});
