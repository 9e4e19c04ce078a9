// SPDX-License-Identifier: MIT
import type { Change, CheckResult, Ci, CiPatch, Results, SplatResult } from '../schema.ts';
import { exampleJob, exampleResults } from './example.ts';

/** A run of `kiln ci` on three patches that has a change of each kind. */
export function exampleCi(more: Partial<Ci> = {}, about: Partial<Results> = {}): Results {
  const cases = (verdict: 'pass' | 'fail') => [
    { name: 'global.close_twice', verdict, detail: verdict === 'fail' ? 'expected 0, got -9' : '' },
    { name: 'global.opens', verdict: 'pass' as const, detail: '' },
  ];
  const late = { name: 'global.sleeps', verdict: 'fail' as const, detail: 'slept 9 ms too long' };
  const old = { name: 'global.old', verdict: 'fail' as const, detail: 'ENOSYS' };
  const tests: Results['tests'] = exampleResults([
    { test: 'races', job: 'base', cases: cases('pass') },
    { test: 'timer', job: 'base', verdict: 'fail', detail: '2 cases failed', cases: [late, old] },
    {
      ...{ test: 'races', job: 'patch-3', verdict: 'fail', detail: '1 case failed, 1 splat' },
      ...{ cases: cases('fail'), splats: [exampleSplat] },
    },
    { test: 'timer', job: 'patch-3', verdict: 'fail', detail: '2 cases failed', cases: [late, old] },
    { test: 'fresh', job: 'patch-3', cases: [{ name: 'global.runs', verdict: 'pass', detail: '' }] },
  ]).tests;
  const base = { series: [], compiler: 'gcc (Debian 12.2.0-14) 12.2.0' };
  const jobs = ['patch-1', 'patch-2', 'patch-3'].map((id) => exampleJob({ id, compiler: base.compiler }));
  const ci: Ci = {
    series: {
      ...{ name: 'demo', source: 'demo.mbox', subject: 'demo: count the users', revision: 2 },
      ...{ message_id: '20260102-demo-v2-0-0a1b2c@example.org', from: 'A. Uthor <a.uthor@example.org>' },
    },
    base: {
      ...{ source: 'git:/src/linux#0123456789ab', how: 'base-commit' },
      reason: 'the cover letter names it as its base-commit',
    },
    base_job: 'base',
    patches: structuredClone(examplePatches),
    changes: structuredClone(exampleChanges),
    new_log_lines: ['demo: loaded with 2 users'],
    failures: ['2 new failures', 'patch 3/3: the check "tests" fails'],
    not_tested: ['drivers/demo/arm.c is not compiled: it needs CONFIG_ARM64'],
    ...more,
  };
  return exampleResults([], {
    ...{
      command: ['kiln', 'ci', 'demo.mbox'],
      exit_code: 1,
      jobs: [exampleJob({ id: 'base', ...base }), ...jobs],
    },
    ...{ tests, ci },
    ...about,
  });
}

/** Of the inlined count_down() in demo_put(), which the third patch changed. */
export const exampleSplat: SplatResult = {
  ...{ title: 'WARNING in demo_put', kind: 'warning', phase: 'test', task: 'races', torn: false },
  lines: [
    '------------[ cut here ]------------',
    'demo: count below 0',
    'WARNING: CPU: 1 PID: 71 at drivers/demo/core.c:40 demo_put+0x1f/0x30',
    'RIP: 0010:demo_put+0x1f/0x30',
    'Call Trace:',
    ' <TASK>',
    ' ? __warn+0x85/0x140',
    ' demo_put+0x1f/0x30',
    ' demo_release+0x11/0x20',
    ' __fput+0xe3/0x2a0',
    ' </TASK>',
    '---[ end trace 0000000000000000 ]---',
  ],
  frames: [
    {
      at: 'demo_put+0x1f/0x30',
      places: [
        { function: 'count_down', file: 'drivers/demo/core.c', line: 40, patch: '0003-demo-count.patch' },
        { function: 'demo_put', file: 'drivers/demo/core.c', line: 52, patch: null },
      ],
    },
    {
      at: 'demo_release+0x11/0x20',
      places: [{ function: 'demo_release', file: 'drivers/demo/file.c', line: 9, patch: null }],
    },
    { at: '__fput+0xe3/0x2a0', places: [] },
  ],
};

const pass = (name: CheckResult['name'], summary = ''): CheckResult => ({
  ...{ name, status: 'pass', summary, findings: [] },
});

const examplePatches: CiPatch[] = [
  {
    ...{ number: 1, file: '0001-demo-add.patch', subject: 'demo: add a driver', job: 'patch-1' },
    message_id: '20260102-demo-v2-1-0a1b2c@example.org',
    checks: [
      ...[pass('apply'), pass('checkpatch'), pass('tags'), pass('build'), pass('warnings')],
      ...[pass('size', '+1204 bytes'), pass('boot'), pass('tests', '2 tests')],
    ],
    files: [
      {
        ...{ path: 'drivers/demo/core.c', compiled: true, reason: null },
        functions: [{ name: 'demo_put', compiled: true }],
      },
    ],
  },
  {
    ...{ number: 2, file: '0002-demo-names.patch', subject: 'demo: name the users', job: 'patch-2' },
    message_id: '20260102-demo-v2-2-0a1b2c@example.org',
    checks: [
      pass('apply'),
      {
        ...{ name: 'checkpatch', status: 'warn', summary: '1 check' },
        findings: [
          'CHECK: Alignment should match open parenthesis\n#21: FILE: drivers/demo/core.c:61:\n+\t  int b)',
        ],
      },
      { name: 'tags', status: 'skip', summary: 'Fixes: is not checked without --repo', findings: [] },
      pass('build'),
      {
        ...{ name: 'warnings', status: 'warn', summary: '2 new warnings' },
        findings: [
          "drivers/demo/core.c:33:6: warning: unused variable 'n' [-Wunused-variable]",
          "drivers/demo/file.c:7:5: warning: no previous prototype for 'demo_name' [-Wmissing-prototypes]",
        ],
      },
      ...[pass('size', '+88 bytes'), pass('boot'), pass('tests', '2 tests')],
    ],
    files: [
      { path: 'drivers/demo/core.c', compiled: true, reason: null, functions: [] },
      { path: 'drivers/demo/arm.c', compiled: false, reason: 'it needs CONFIG_ARM64', functions: [] },
    ],
  },
  {
    ...{ number: 3, file: '0003-demo-count.patch', subject: 'demo: count the users', job: 'patch-3' },
    message_id: '20260102-demo-v2-3-0a1b2c@example.org',
    checks: [
      ...[pass('apply'), pass('checkpatch'), pass('tags'), pass('build'), pass('warnings')],
      ...[pass('size', '+16 bytes'), pass('boot')],
      { name: 'tests', status: 'fail', summary: '2 new failures', findings: [] },
    ],
    files: [
      {
        ...{ path: 'drivers/demo/core.c', compiled: true, reason: null },
        functions: [
          { name: 'demo_put', compiled: true },
          { name: 'demo_dump', compiled: false },
        ],
      },
    ],
  },
];

function change(more: Partial<Change>): Change {
  return {
    ...{ suite: 'demo', test: 'races', case: null, splat: null, kind: 'new-failure' },
    ...{ patched: { failed: 8, runs: 8 }, base: { failed: 0, runs: 8 }, error: 0.001 },
    sentence: 'new: 8 of 8 patched, 0 of 8 base, wrong with p < 0.1 %',
    ...{ detail: '', patch: null, reproduce: { patched: null, base: null } },
    ...more,
  };
}

const exampleChanges: Change[] = [
  change({ splat: 'WARNING in demo_put', patch: 3, reproduce: reproduceWith('demo/races') }),
  change({
    ...{ case: 'global.close_twice', detail: 'expected 0, got -9', patch: 3 },
    reproduce: reproduceWith('demo/races'),
  }),
  change({
    ...{ test: 'leak', case: 'global.frees', kind: 'fixed', patched: { failed: 0, runs: 8 } },
    ...{ base: { failed: 8, runs: 8 }, sentence: 'fixed: 0 of 8 patched, 8 of 8 base' },
  }),
  change({
    ...{ test: 'timer', case: 'global.sleeps', kind: 'flaky', patched: { failed: 3, runs: 20 } },
    ...{ base: { failed: 4, runs: 20 }, sentence: 'flaky: 3 of 20 patched, 4 of 20 base' },
    detail: 'slept 9 ms too long',
  }),
  change({
    ...{ test: 'timer', case: 'global.old', kind: 'failing-before', patched: { failed: 8, runs: 8 } },
    ...{ base: { failed: 8, runs: 8 }, sentence: 'failing before: 8 of 8 patched, 8 of 8 base' },
    detail: 'ENOSYS',
  }),
  change({
    ...{ test: 'rare', kind: 'undecided', patched: { failed: 9, runs: 60 }, base: { failed: 2, runs: 60 } },
    ...{ error: null, sentence: 'undecided after 60: 9 of 60 patched, 2 of 60 base' },
    ...{ detail: 'the guest hung', reproduce: reproduceWith('demo/rare') },
  }),
  change({
    ...{ test: 'fresh', kind: 'new-test', patched: { failed: 0, runs: 1 }, base: { failed: 0, runs: 0 } },
    ...{ error: null, sentence: 'new: the base does not have it' },
  }),
];

function reproduceWith(test: string): Change['reproduce'] {
  const patched = `kiln repeat ${test} --series demo.mbox --base git:/src/linux#0123456789ab --times 8`;
  return { patched, base: patched.replace('--series demo.mbox', '--no-series') };
}
