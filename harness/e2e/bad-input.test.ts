// SPDX-License-Identifier: MIT
// A series that does not apply or build, an unmet config, invalid arguments: each has its own exit code and a message
// that says what to do.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { git } from '../util/git.ts';
import { find, kiln, kilnTest, verdicts, withTests } from './kiln.ts';
import { seriesOf, versionPatch } from './onePatch.ts';

const scratch = await mkdtemp(join(tmpdir(), 'kiln-trouble-'));
test.after.always(() => rm(scratch, { recursive: true, force: true }));

test.serial('a patch that does not apply is named with its file and hunk', async (t) => {
  const series = await seriesOf(scratch, 'stale', versionPatch('linux/init/another.c', '+/* hello */'));
  await kilnTest(['--series', series], ({ exitCode, results }) => {
    t.is(exitCode, 3);
    const error = results.jobs[0]!.error!;
    t.is(error.code, 'does-not-apply');
    t.is(error.patch, '0001-init-change-a-line.patch');
    t.is(error.file, 'init/version.c');
    t.is(error.hunk, '@@ -1,3 +1,4 @@');
    t.deepEqual(results.tests, []);
  });
});

test.serial('a config symbol that Kconfig drops is named with its dependency', async (t) => {
  const suite = join(scratch, 'wants');
  await mkdir(suite);
  await writeFile(join(suite, 'empty.c'), 'int main(void) { return 0; }\n');
  await writeFile(join(suite, 'config'), 'CONFIG_NO_SUCH_THING=y\nCONFIG_NFSD=y\n');
  await kilnTest(['--tests', suite], ({ exitCode, results }) => {
    t.is(exitCode, 4);
    const error = results.jobs[0]!.error!;
    t.is(error.code, 'config-missing');
    t.regex(error.message, /CONFIG_NO_SUCH_THING=y .*no Kconfig file defines it/);
    t.regex(error.message, /CONFIG_NFSD=y .*: depends on NETWORK_FILESYSTEMS/);
  });
});

test.serial('a base that does not build by itself is not the series’ fault', async (t) => {
  const base = join(scratch, 'base');
  await mkdir(base);
  await git(base, ['init', '--quiet']);
  const makefile = 'VERSION = 6\nPATCHLEVEL = 12\nallnoconfig:\n\t@echo it is broken; exit 1\n';
  for (const [name, text] of Object.entries({ Makefile: makefile, Kconfig: '', README: 'Linux\n' }))
    await writeFile(join(base, name), text);
  await git(base, ['add', '--all']);
  await git(base, ['commit', '--quiet', '--message', 'Linux']);
  await writeFile(join(base, 'README'), 'Linux and more\n');
  await git(base, ['commit', '--quiet', '--all', '--message', 'more']);
  const series = `git:${base}#HEAD~1..HEAD`;
  await kilnTest(
    ['boot', '--base', `git:${base}#HEAD~1`, '--series', series],
    ({ exitCode, results, stdout }) => {
      t.is(exitCode, 4);
      const error = results.jobs[0]!.error!;
      t.regex(error.message, /^the base does not build by itself, without the series: .*it is broken/s);
      t.regex(String(error.hint), /another --base/);
      t.is(error.patch, undefined);
      t.regex(stdout, /nothing names a patch: building the base alone/);
    },
  );
});

test.serial(
  'a test program that does not compile fails with the compiler’s error; the others run',
  async (t) => {
    const suite = join(scratch, 'typo');
    await mkdir(suite);
    await writeFile(join(suite, 'typo.c'), 'int main(void) { retrun 0; }\n');
    await writeFile(join(suite, 'right.c'), 'int main(void) { return 0; }\n');
    await writeFile(join(suite, 'library.c'), 'int missing(void);\nint main(void) { return missing(); }\n');
    // The second time, the programs and their errors come from the cache.
    for (const isolation of ['test', 'case', 'suite'])
      await kilnTest(
        ['typo', '--isolate', isolation, ...withTests(suite)],
        ({ exitCode, results, stdout }) => {
          t.is(exitCode, 1, stdout);
          t.is(results.jobs[0]!.error, null);
          t.deepEqual(verdicts(results), {
            'typo/library': 'fail',
            'typo/right': 'pass',
            'typo/typo': 'fail',
          });
          t.regex(find(results, 'typo/typo').detail, /^does not build: typo\.c:1: .*retrun/);
          t.regex(find(results, 'typo/library').detail, /^does not build: .*undefined reference to .missing/);
          t.regex(stdout, /^FAIL +typo\/typo .*: does not build: typo\.c:1: /m);
        },
      );
  },
);

test.serial('a test that needs more memory than the machine has does not run; the others do', async (t) => {
  const suite = join(scratch, 'large');
  await mkdir(suite);
  for (const name of ['modest', 'greedy'])
    await writeFile(join(suite, `${name}.c`), 'int main(void) { return 0; }\n');
  await writeFile(join(suite, 'greedy.settings'), 'memory=1024G\n');
  await kilnTest(['large', ...withTests(suite)], ({ exitCode, results }) => {
    t.is(exitCode, 69);
    t.deepEqual(verdicts(results), { 'large/greedy': 'error', 'large/modest': 'pass' });
    t.regex(
      find(results, 'large/greedy').detail,
      /^not run: it wants a guest with 1048576 MiB of memory, this machine has \d+$/,
    );
  });
});

test('invalid arguments end with exit code 2 and list the valid ones', async (t) => {
  for (const [args, pattern] of [
    [['test', 'no-such-suite'], /there are: boot, /],
    [['test', 'boot/nothing'], /there are: environment/],
    [['test', '--series', '/no/such/place'], /give a directory of patches/],
    [['test', '--base', 'nonsense'], /a base is one of/],
    [['test', '--config', 'nonsense'], /known: .*kasan/],
    [['test', '--config', './none.config'], /no config fragment at .*none\.config/],
    [['test', '--config-from', './none'], /none does not exist/],
    [['test', '--set', 'KSM'], /--set KSM is not a config line/],
    [['test', '--no-series', '--series', 'srvfs'], /--no-series and --series exclude each other/],
    [['test', '--series', 'srvfs', '--no-series'], /--no-series and --series exclude each other/],
    [['test', '--tree', ''], /--tree needs a directory/],
    [['test', '--tree', 'https://example.org/linux.git'], /is a URL, not a directory[\s\S]*git clone/],
    [['test', '--llvm', 'boot'], /--llvm boot is neither[\s\S]*write it before --llvm/],
    [['test', '--llvm=-19', '--cc', 'gcc'], /--llvm and --cc exclude each other/],
    [['ci', 'srvfs', '--debug', 'nosuch'], /no config fragment "nosuch"/],
    [['ci', 'srvfs', '--cc', 'gcc-99'], /gcc-99 can't be run/],
    [['test', '--tree', '.', '--base', 'git:.'], /--tree is a base/],
    [['test', '--tree', '.'], /is not a kernel tree/],
    [['test', '--llvm=new'], /neither a version nor a directory/],
    [['test', '--project', '.'], /is no project/],
    [['init', scratch], /is not empty/],
    [['test', '--jobs', '0'], /whole number above 0/],
    [['tset'], /Did you mean test/],
    [['report', 'nothing-of-that-name'], /no run "nothing-of-that-name"/],
  ] as const) {
    const { exitCode, stdout, stderr } = await kiln([...args], { cwd: scratch });
    t.is(exitCode, 2, args.join(' '));
    t.regex(`${stdout}${stderr}`, pattern, args.join(' '));
  }
});

test('--accel kvm without a working KVM fails at once, with the reason', async (t) => {
  const { stdout } = await kiln(['doctor', '--json']);
  const accelerator = JSON.parse(stdout).checks.find(
    ({ name }: { name: string }) => name === 'accelerator',
  ).found;
  if (accelerator.startsWith('kvm')) return t.pass('KVM runs here');
  await kilnTest(['boot', '--accel', 'kvm'], ({ exitCode, results }) => {
    t.is(exitCode, 69);
    t.regex(results.jobs[0]!.error!.message, /--accel kvm: .+/);
  });
  return undefined;
});

test('doctor and list print JSON', async (t) => {
  const doctor = await kiln(['doctor', '--json']);
  t.is(doctor.exitCode, 0, doctor.stdout);
  t.true(JSON.parse(doctor.stdout).ok);
  const list = JSON.parse((await kiln(['list', '--json'])).stdout);
  t.true(list.suites.some(({ name }: { name: string }) => name === 'srvfs'));
  t.true(list.series.some(({ name }: { name: string }) => name === 'srvfs'));
});
