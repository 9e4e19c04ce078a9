// SPDX-License-Identifier: MIT
import test from 'ava';
import { KilnError } from '../errors.ts';
import type { Settings } from '../suite/settings.ts';
import type { Suite } from '../suite/suite.ts';
import { plainAsk } from '../testing/fakeExecution.ts';
import {
  type Ask,
  countGenerations,
  isolationOf,
  jobOptions,
  leaveOut,
  type PlannedSuite,
  plan,
} from './plan.ts';

const suites = [suite('boot', 'environment'), suite('srvfs', 'flags', 'mounts', 'races')];

test('nothing asked: all of patches/, every test of every suite, none required', (t) => {
  const { id, series, suites: planned } = plan(ask(), ['guestmemfs', 'srvfs'], suites);
  t.is(id, 'guestmemfs+srvfs');
  t.deepEqual(series, ['guestmemfs', 'srvfs']);
  t.deepEqual(chosen(planned), ['boot: environment', 'srvfs: flags mounts races']);
  t.deepEqual(
    planned.map(({ required }) => required),
    [false, false],
  );
});

test('a suite that is not chosen is planned without tests, so that the kernel stays the same', (t) => {
  const planned = plan(ask({ select: ['srvfs'] }), [], suites).suites;
  t.deepEqual(chosen(planned), ['boot: ', 'srvfs: flags mounts races']);
  t.deepEqual(
    planned.map(({ required }) => required),
    [false, true],
  );
});

test('tests are chosen by name, each once, in the order asked', (t) => {
  const of = (...select: string[]) => chosen(plan(ask({ select }), [], suites).suites)[1];
  t.is(of('srvfs/races'), 'srvfs: races');
  t.is(of('srvfs/races', 'srvfs/flags', 'srvfs/races'), 'srvfs: races flags');
  t.is(of('srvfs/races', 'srvfs'), 'srvfs: races flags mounts');
});

test('a program is chosen with its sections, and each section by its own name', (t) => {
  const matrix = [suite('vm', 'paging', 'paging@five', 'paging@one-cpu', 'swap')];
  const of = (...select: string[]) => chosen(plan(ask({ select }), [], matrix).suites)[0];
  t.is(of('vm/paging'), 'vm: paging paging@five paging@one-cpu');
  t.is(of('vm/paging@five', 'vm/swap', 'vm/paging'), 'vm: paging@five swap paging paging@one-cpu');
  t.is(of('vm/paging@'), 'vm: paging');
  t.throws(() => of('vm/paging@six'), { message: /no test "paging@six" in vm/ });
});

test('what is not there is a mistake on the command line, answered with what there is', (t) => {
  const refused = (selector: string, message: RegExp, hint: RegExp) => {
    const error = t.throws<KilnError>(() => plan(ask({ select: [selector] }), [], suites), {
      instanceOf: KilnError,
      message,
    });
    t.is(error.code, 'usage');
    t.regex(error.hint, hint);
  };
  refused('srvsf', /no suite "srvsf"/, /boot, srvfs/);
  refused('srvfs/flag', /no test "flag" in srvfs/, /flags, mounts, races/);
  refused('srvfs/', /no test "" in srvfs/, /flags/);
  refused('', /no suite ""/, /boot/);
});

test('a selector with a word too many is refused', (t) => {
  t.throws(() => plan(ask({ select: ['srvfs/flags/open'] }), [], suites), { instanceOf: KilnError });
});

test('suites given with --tests are all required', (t) => {
  const planned = plan(ask({ tests: ['/my/tests'], select: ['boot'] }), [], [], suites).suites;
  t.deepEqual(
    planned.map(({ required }) => required),
    [true, true],
  );
});

test('the job is named by its series and config, in letters that a directory may have', (t) => {
  const id = (series: string[], config: string[] = []) => plan(ask({ series, config }), ['kept'], suites).id;
  t.is(id([]), 'base');
  t.is(id([], ['kasan', 'lockdep']), 'base-kasan-lockdep');
  t.is(id(['srvfs'], ['kasan']), 'srvfs-kasan');
  t.is(id(['/var/mail/incoming v2.mbox']), 'incoming_v2');
  t.is(id(['git:/src/linux#v6.12..HEAD']), 'linux_v6.12..HEAD');
  t.is(id(['x'.repeat(300)]).length, 100);
});

test('what --with adds comes before the series, once, and the job is named by it too', (t) => {
  const planned = (series: string[] | null, ...added: string[]) => {
    const { id, ...rest } = plan(ask({ series, with: added, config: ['kasan'] }), ['fix', 'srvfs'], suites);
    return { id, series: rest.series, with: rest.with };
  };
  const some = ['/new.mbox', 'srvfs'];
  t.deepEqual(planned(some, 'fix', '/b/', 'fix'), {
    id: 'new+srvfs-with-fix+b-kasan',
    series: ['fix', '/b/', '/new.mbox', 'srvfs'],
    with: ['fix', '/b/'],
  });
  t.deepEqual(planned([], 'fix'), { id: 'base-with-fix-kasan', series: ['fix'], with: ['fix'] });
  // All of patches/ has it already, and a patch does not apply twice.
  t.deepEqual(planned(null, 'fix'), { id: 'fix+srvfs-kasan', series: ['fix', 'srvfs'], with: [] });
});

test('a directory named with a slash at its end gives its name to the job', (t) => {
  t.is(plan(ask({ series: ['patches/srvfs/'] }), [], suites).id, 'srvfs');
});

test('a suite whose symbols no Kconfig file of the tree defines is left out, with the reason', (t) => {
  const wants = ({ suite: { name } }: PlannedSuite) =>
    name === 'srvfs' ? ['SRV_FS', 'NET', 'SRV_DEBUG'] : ['NET'];
  const { run, leftOut } = leaveOut(plan(ask(), [], suites).suites, wants, new Set(['NET']));
  t.deepEqual(chosen(run), ['boot: environment']);
  t.deepEqual(leftOut, [
    {
      suite: 'srvfs',
      reason: 'the tree does not define CONFIG_SRV_FS, CONFIG_SRV_DEBUG: its series is not applied',
    },
  ]);
});

test('a suite that the user named is not left out', (t) => {
  const planned = plan(ask({ select: ['srvfs'] }), [], suites).suites;
  const { run, leftOut } = leaveOut(planned, () => ['SRV_FS'], new Set());
  t.deepEqual(chosen(run), ['srvfs: flags mounts races']);
  t.deepEqual(
    leftOut.map(({ suite: name }) => name),
    ['boot'],
  );
});

test('with --tests, the default suites only add to the configuration', (t) => {
  const given = [suite('timers', 'posix_timers'), suite('srvfs', 'own')];
  const planned = plan(ask({ tests: ['/timers', '/srvfs'] }), [], suites, given).suites;
  t.deepEqual(chosen(planned), ['boot: ', 'timers: posix_timers', 'srvfs: own']);
  t.deepEqual(
    planned.map(({ configOnly, required }) => [configOnly, required]),
    [
      [true, false],
      [false, true],
      [false, true],
    ],
  );
  t.throws(() => plan(ask({ tests: ['/timers'], select: ['boot'] }), [], suites, given), {
    message: /no suite "boot"/,
  });
  // What only adds to the configuration is not missed if the tree can't have it.
  const { run, leftOut } = leaveOut(
    planned,
    ({ suite: { name } }) => (name === 'boot' ? ['GONE'] : []),
    new Set(),
  );
  t.deepEqual([chosen(run), leftOut], [['timers: posix_timers', 'srvfs: own'], []]);
});

test('a test that goes through several kernels shares its guest with no other', (t) => {
  const of = (isolate: Ask['isolate'], settings: Settings) =>
    isolationOf(plan(ask({ isolate }), [], []), settings);
  t.is(of(null, { isolation: 'suite' }), 'suite');
  t.is(of('case', { generations: 1 }), 'case');
  t.is(of(null, { isolation: 'suite', generations: 2 }), 'test');
  t.is(of('case', { generations: 2 }), 'test');
  for (const isolate of [null, 'suite'] as const)
    t.is(of(isolate, { isolation: 'boot', generations: 2 }), 'boot');
  t.is(countGenerations(plan(ask({ generations: 9 }), [], []), {}), 1);
});

test('the options that make a job again are those that differ from the default, quoted', (t) => {
  t.is(jobOptions(ask()), '');
  t.is(jobOptions(ask({ series: [] })), ' --no-series');
  t.is(jobOptions(ask({ with: ['ioapic-race'] })), ' --with ioapic-race');
  t.is(
    jobOptions(ask({ series: ['lore:a@b'], revision: 2, allowIncomplete: true, inbox: '/in box' })),
    " --series lore:a@b --revision 2 --allow-incomplete --inbox '/in box'",
  );
  t.is(
    jobOptions(
      ask({
        series: ['srvfs', "Ann's.mbox"],
        with: ['ioapic-race', '/my fix'],
        base: 'git:/my src/linux#v6.12',
        config: ['kasan', '/my frag.config'],
        configFrom: '/boot/config',
        set: ['KSM=y', 'CMDLINE="a b"'],
        compiler: { llvm: '-19', cc: 'gcc-11' },
        project: { ...plainAsk.project, root: '/my project' },
        tests: ['/a', '/b c'],
        accel: 'tcg',
        sandbox: 'on',
        timeout: 5,
        jobs: 9,
        isolate: 'boot',
        next: ['same', '/k 1'],
        generations: 20,
      }),
    ),
    " --series srvfs --series 'Ann'\\''s.mbox' --with ioapic-race --with '/my fix' --project '/my project' --base 'git:/my src/linux#v6.12' --config 'kasan,/my frag.config'" +
      ' --config-from /boot/config --set KSM=y --set \'CMDLINE="a b"\' --llvm=-19 --cc gcc-11' +
      " --tests /a --tests '/b c' --accel tcg --sandbox on --next same --next '/k 1' --generations 20 --isolate boot --timeout 5",
  );
});

function ask(given: Partial<Ask> = {}): Ask {
  return { ...plainAsk, series: null, accel: 'auto', jobs: 1, ...given };
}

function suite(name: string, ...tests: string[]): Suite {
  const programs = tests
    .filter((each) => !each.includes('@'))
    .map((each) => ({ name: each, source: `/${name}/${each}.c` }));
  const all = tests.map((each) => ({ name: each, program: each.replace(/@.*/, ''), settings: {} }));
  return { name, dir: `/${name}`, programs, tests: all, helpers: [], config: '', makefile: '', scripts: [] };
}

function chosen(planned: PlannedSuite[]): string[] {
  return planned.map(({ suite: { name }, tests }) => `${name}: ${tests.map((one) => one.name).join(' ')}`);
}
