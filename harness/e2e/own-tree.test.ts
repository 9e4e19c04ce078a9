// SPDX-License-Identifier: MIT
// A developer's checkout, a project of their own, and an installed package.
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { cacheDirectory } from '../context.ts';
import { defaultBase } from '../job/plan.ts';
import { paths } from '../paths.ts';
import { quietContext } from '../testing/context.ts';
import { prepareBase } from '../tree/base.ts';
import { exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import { kilnTest, verdicts } from './kiln.ts';

const scratch = await mkdtemp(join(tmpdir(), 'kiln-own-'));
test.after.always(() => rm(scratch, { recursive: true, force: true }));

test.serial('a checkout is tested with what is not committed, and stays as it is', async (t) => {
  const tree = join(scratch, 'linux');
  const { gitDir, commit } = (await prepareBase(defaultBase, quietContext(cacheDirectory()))).base;
  await git(scratch, ['clone', '--quiet', '--shared', '--no-checkout', gitDir, tree]);
  await git(tree, ['checkout', '--quiet', '--detach', commit]);
  const state = async () =>
    (await git(tree, ['--no-optional-locks', 'status', '--porcelain', '--ignored'])).stdout;
  const symbols = async (args: string[]) =>
    kilnTest(['boot', '--tree', tree, ...args], async ({ results, exitCode, stdout }) => {
      t.is(exitCode, 0, stdout);
      t.is(verdicts(results)['boot/environment'], 'pass');
      const [job] = results.jobs;
      t.deepEqual(job!.series, []);
      return readFile(join(cacheDirectory(), 'kernels', job!.keys.kernel!, 'System.map'), 'utf8');
    });
  t.notRegex(await symbols([]), / kiln_was_here$/m);
  t.is(await state(), '');

  // What was built in place, an ignored file and a change that is not committed.
  await writeFile(join(tree, '.config'), '# of a build in place\n');
  const file = join(tree, 'init', 'version.c');
  await writeFile(file, `${await readFile(file, 'utf8')}int kiln_was_here = 1;\n`);
  const before = await state();
  t.regex(await symbols([]), / kiln_was_here$/m);
  t.is(await state(), before);
});

test.serial(
  'a package that was installed for all, read-only, tests a project that kiln init made',
  async (t) => {
    const [prefix, project] = [join(scratch, 'prefix'), join(scratch, 'my-series')];
    const packed = await exec('npm', ['pack', '--json', '--pack-destination', scratch], { cwd: paths.root });
    const [{ filename }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('['))) as [
      { filename: string },
    ];
    const env = { HOME: scratch, XDG_CACHE_HOME: join(cacheDirectory(), '..') };
    const install = [
      'install',
      '--global',
      '--prefix',
      prefix,
      '--no-audit',
      '--no-fund',
      join(scratch, filename),
    ];
    await exec('npm', install, { env: { HOME: scratch } });
    await exec('chmod', ['-R', 'a-w', prefix]);
    t.teardown(() => chmod(prefix, 0o755));
    const kiln = join(prefix, 'bin', 'kiln');
    const call = (args: string[], cwd: string) => exec(kiln, args, { cwd, env });
    await call(['init', project], scratch);
    const run = await call(['test'], project);
    t.regex(run.stdout, /^PASS +first\/first /m);
    t.regex(run.stdout, /^results: runs\//m);
    const again = await exec(kiln, ['test', '--project', project, 'first', '--out', join(scratch, 'runs')], {
      cwd: '/',
      env,
    });
    t.regex(again.stdout, /^1 passed, 0 failed/m);
  },
);
