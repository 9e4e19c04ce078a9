// SPDX-License-Identifier: MIT
import test from 'ava';
import { KilnError } from '../errors.ts';
import type { JobOutcome } from '../results/assemble.ts';
import type { Change, TestResult } from '../schema.ts';
import { barePatch } from '../series/patch.ts';
import { bareSeries } from '../series/series.ts';
import { exampleResults, exampleTest } from '../testing/example.ts';
import { assembleCi, type CiFacts, exitCodeOf } from './assemble.ts';

const patch = (number: number) => ({
  ...barePatch(`000${number}.patch`, Buffer.alloc(0)),
  ...{ number, subject: `[PATCH ${number}/3] fs: step ${number}`, messageId: `${number}@x` },
});

/** A job on the tree after patch `upTo`; 0: the base. */
function job(upTo: number, more: { tests?: Partial<TestResult>[]; error?: KilnError } = {}): JobOutcome {
  const [example] = exampleResults().jobs;
  const id = upTo === 0 ? 'base' : `patch-${upTo}`;
  const patches = Array.from({ length: upTo }, (_, index) => ({
    ...{ file: `000${index + 1}.patch`, subject: '', commit: `c${index + 1}` },
  }));
  const tests = (more.tests ?? [{}]).map((one) => exampleTest({ job: id, ...one }));
  return {
    job: { ...example!, id, series: [{ name: 's', source: '/s', patches }] },
    tests: more.error ? [] : tests,
    error: more.error ?? null,
  };
}

const change = (more: Partial<Change> = {}): Change => ({
  ...{ suite: 'demo', test: 'first', case: 'a', splat: null, kind: 'new-failure', patch: 2 },
  ...{ patched: { failed: 8, runs: 8 }, base: { failed: 0, runs: 8 }, error: 0.001 },
  ...{ sentence: 'new: 8 of 8 patched', detail: '', reproduce: { patched: null, base: null } },
  ...more,
});

/** A run in which nothing goes wrong, but for `more`. */
function facts(
  more: Omit<Partial<CiFacts>, 'outcome'> & {
    outcome?: Partial<NonNullable<CiFacts['outcome']>> | null;
  } = {},
): CiFacts {
  const { outcome, ...rest } = more;
  return {
    series: { ...bareSeries('s', '/s', [patch(1), patch(2), patch(3)]), revision: 2 },
    choice: { source: 'debian:linux-source-6.12', how: 'default', reason: 'the default' },
    conflict: null,
    checks: new Map(),
    files: new Map(),
    newLogLines: [],
    reproducer: null,
    failOn: [],
    ...rest,
    outcome:
      outcome === null
        ? null
        : {
            base: job(0),
            steps: [job(1), job(2), job(3)],
            changes: [],
            debug: null,
            sameCode: new Set(),
            isInterrupted: false,
            ...outcome,
          },
  };
}

/** Names and states of a patch's checks. */
const checks = (one: CiFacts, number: number) =>
  assembleCi(one).patches[number - 1]!.checks.map(({ name, status }) => `${name} ${status}`);

test('a series that breaks nothing passes', (t) => {
  const ci = assembleCi(facts());
  t.like(ci, { base_job: 'base', failures: [], not_tested: [] });
  t.like(ci.series, { name: 's', subject: 'fs: step 1', revision: 2, message_id: '1@x' });
  t.deepEqual(
    ci.patches.map(({ number, subject, job: id }) => [number, subject, id]),
    [
      [1, 'fs: step 1', 'patch-1'],
      [2, 'fs: step 2', 'patch-2'],
      [3, 'fs: step 3', 'patch-3'],
    ],
  );
  t.deepEqual(checks(facts(), 2), ['apply pass', 'build pass', 'boot pass', 'tests pass']);
  t.is(exitCodeOf(facts()), 0);
});

test('a new failure fails the run and its patch; a flaky test, one that failed before and an undecided one do not', (t) => {
  const one = facts({ outcome: { changes: [change()] } });
  t.deepEqual(assembleCi(one).failures, ['demo/first a (patch 2): new: 8 of 8 patched']);
  t.true(checks(one, 2).includes('tests fail'));
  t.true(checks(one, 3).includes('tests pass'));
  t.is(exitCodeOf(one), 1);
  for (const kind of ['flaky', 'failing-before', 'undecided', 'fixed'] as const)
    t.is(exitCodeOf(facts({ outcome: { changes: [change({ kind })] } })), 0, kind);
});

test('a new test fails the run if it fails', (t) => {
  const fresh = (failed: number) =>
    facts({ outcome: { changes: [change({ kind: 'new-test', patched: { failed, runs: 1 } })] } });
  t.is(exitCodeOf(fresh(1)), 1);
  t.is(exitCodeOf(fresh(0)), 0);
});

test('a reproducer fails the run unless it is fixed, on one kernel at least', (t) => {
  const own = (...all: Partial<Change>[]) => {
    const changes = all.map((one) => change({ suite: 'bug', patch: null, ...one }));
    return facts({ reproducer: 'bug', outcome: { changes } });
  };
  const share = (failed: number) => ({ failed, runs: 8 });
  const fixed = { kind: 'fixed' as const, patched: share(0), base: share(8) };
  const never = { kind: 'flaky' as const, patched: share(0), base: share(0) };
  const still = { kind: 'failing-before' as const, patched: share(8), base: share(8) };
  t.is(exitCodeOf(own(fixed)), 0);
  t.is(exitCodeOf(own(never, { ...fixed, kernel: 'kasan' })), 0);
  const failures = (one: CiFacts) => {
    t.is(exitCodeOf(one), 1);
    return assembleCi(one).failures.join();
  };
  t.regex(failures(own(still)), /^bug\/first still fails with the series: /);
  t.regex(failures(own(fixed, { ...still, kernel: 'kasan' })), /still fails/);
  t.regex(failures(own(never)), /^bug\/first does not fail on the base: /);
  t.regex(failures(own()), /^bug: not known to be fixed: it was not run on both kernels$/);
  const same = facts({ reproducer: 'bug', outcome: { changes: [], sameCode: new Set([3]) } });
  t.regex(failures(same), /no code changed/);
});

test('a check of --fail-on fails the run if it warns', (t) => {
  const checkpatch = {
    name: 'checkpatch' as const,
    status: 'warn' as const,
    summary: '1 error',
    findings: [],
  };
  const one = (failOn: CiFacts['failOn'], more: Parameters<typeof facts>[0] = {}) =>
    facts({ checks: new Map([[2, [checkpatch]]]), failOn, ...more });
  t.is(exitCodeOf(one(['warnings'])), 0);
  t.is(exitCodeOf(one(['warnings', 'checkpatch'])), 1);
  t.deepEqual(assembleCi(one(['checkpatch'])).failures, ['patch 2 (fs: step 2): checkpatch: 1 error']);
  const error = new KilnError('does-not-apply', 'no', {});
  t.is(exitCodeOf(one(['checkpatch'], { conflict: { number: 3, error } })), 3);
  const dead = job(0, { tests: [{ verdict: 'crash', boot_ms: null, detail: 'panic', cases: [] }] });
  t.is(exitCodeOf(one(['checkpatch'], { outcome: { base: dead } })), 69);
});

test('a patch that does not apply is told, what comes after it is not tested', (t) => {
  const error = new KilnError('does-not-apply', 's: 0002.patch does not apply', { hint: 'rebase it' });
  const one = facts({ conflict: { number: 2, error }, outcome: { steps: [job(1)] } });
  t.deepEqual(checks(one, 1), ['apply pass', 'build pass', 'boot pass', 'tests pass']);
  t.deepEqual(checks(one, 2), ['apply fail']);
  t.deepEqual(checks(one, 3), ['apply skip']);
  const ci = assembleCi(one);
  t.deepEqual(ci.failures, ['s: 0002.patch does not apply']);
  t.deepEqual(ci.not_tested, ['patch 3: patch 2 does not apply']);
  t.is(exitCodeOf(one), 3);
  t.is(exitCodeOf(facts({ conflict: { number: 1, error }, outcome: null })), 3);
});

test('a patch that does not build fails the run, and the others have their checks', (t) => {
  const error = new KilnError('does-not-build', 'fs/a.c:1: no', {
    details: { output: 'fs/a.c:1: error: no' },
  });
  const one = facts({ outcome: { steps: [job(1), job(2, { error }), job(3)] } });
  t.deepEqual(checks(one, 2), ['apply pass', 'build fail']);
  t.deepEqual(checks(one, 3), ['apply pass', 'build pass', 'boot pass', 'tests pass']);
  t.deepEqual(assembleCi(one).failures, ['patch 2 (fs: step 2): fs/a.c:1: no']);
  t.is(exitCodeOf(one), 4);
});

test('a debug kernel that only the series keeps from being built fails the run', (t) => {
  const error = new KilnError('does-not-build', 'fs/a.c:1: no');
  const lost = new KilnError('infrastructure', 'the disk is full');
  const debug = (base: Parameters<typeof job>[1], whole: Parameters<typeof job>[1]) => ({
    ...{ config: ['kasan', 'lockdep'], base: job(0, base), whole: job(3, whole) },
  });
  const one = facts({ outcome: { debug: debug({}, { error }) } });
  t.deepEqual(assembleCi(one).failures, ['the series on kasan,lockdep: fs/a.c:1: no']);
  t.deepEqual(assembleCi(one).not_tested, []);
  t.is(exitCodeOf(one), 4);
  const both = facts({ outcome: { debug: debug({ error }, { error }) } });
  t.deepEqual(assembleCi(both).failures, []);
  t.is(assembleCi(both).not_tested.length, 2);
  t.is(exitCodeOf(both), 0);
  const steps = [job(1), job(2), job(3, { error })];
  const plain = facts({ outcome: { steps, debug: debug({}, { error }) } });
  t.deepEqual(assembleCi(plain).failures, ['patch 3 (fs: step 3): fs/a.c:1: no']);
  t.is(exitCodeOf(facts({ outcome: { debug: debug({}, { error: lost }) } })), 69);
  t.is(exitCodeOf(facts({ outcome: { debug: debug({ error: lost }, {}) } })), 69);
  const tests = [{ verdict: 'error' as const, boot_ms: null, detail: 'QEMU was killed', cases: [] }];
  t.is(exitCodeOf(facts({ outcome: { debug: debug({}, { tests }) } })), 69);
});

test('a patch that an interruption keeps from being built is not said to build', (t) => {
  const error = new KilnError('interrupted', 'interrupted');
  const early = job(0, { error });
  const one = facts({ outcome: { steps: [job(1), job(2, { error }), early], isInterrupted: true } });
  t.deepEqual(checks(one, 2), ['apply pass', 'build skip']);
  t.deepEqual(checks(one, 3), ['apply pass', 'build skip']);
});

test('a patch that changes no code is not tested, which is said', (t) => {
  const one = facts({ outcome: { sameCode: new Set([2, 3]) } });
  t.deepEqual(checks(one, 2), ['apply pass', 'build pass', 'tests skip']);
  t.deepEqual(assembleCi(one).not_tested, ['the series: no code changed in this configuration']);
  t.is(exitCodeOf(one), 0);
});

test('a step that does not boot fails its patch', (t) => {
  const dead = { verdict: 'crash' as const, boot_ms: null, detail: 'panic', cases: [] };
  const one = facts({ outcome: { steps: [job(1), job(2, { tests: [dead] }), job(3)] } });
  t.deepEqual(checks(one, 2), ['apply pass', 'build pass', 'boot fail', 'tests pass']);
});

test('a base that fails by itself says nothing of the series', (t) => {
  const error = new KilnError('does-not-build', 'fs/a.c:1: no');
  const builds = facts({ outcome: { base: job(0, { error }), steps: [job(1, { error }), job(2), job(3)] } });
  t.is(exitCodeOf(builds), 69);
  t.deepEqual(assembleCi(builds).failures, []);
  t.regex(assembleCi(builds).not_tested.join(), /the base by itself fails: fs\/a.c:1: no/);
  const dead = { verdict: 'crash' as const, boot_ms: null, detail: 'panic', cases: [] };
  const boots = facts({ outcome: { base: job(0, { tests: [dead] }) } });
  t.is(exitCodeOf(boots), 69);
  t.regex(assembleCi(boots).not_tested.join(), /the base by itself does not boot: panic/);
  // No program of the tests builds with its headers.
  const idle = {
    verdict: 'fail' as const,
    boot_ms: null,
    guest: null,
    detail: 'does not build: a.c:1',
    cases: [],
  };
  const ran = facts({
    outcome: { base: job(0, { tests: [idle] }), steps: [job(1, { tests: [idle] }), job(2), job(3)] },
  });
  t.is(exitCodeOf(ran), 69);
  t.regex(assembleCi(ran).not_tested.join(), /the base by itself runs no test: does not build/);
  t.true(checks(ran, 1).includes('boot skip'));
  t.true(
    checks(facts({ outcome: { steps: [job(1, { tests: [idle] }), job(2), job(3)] } }), 1).includes(
      'boot skip',
    ),
  );
});

test('an interruption decides before all else, an infrastructure error last', (t) => {
  const broken = new KilnError('does-not-build', 'no');
  const stopped = new KilnError('interrupted', 'interrupted');
  const steps = [job(1), job(2, { error: broken }), job(3, { error: stopped })];
  t.is(exitCodeOf(facts({ outcome: { steps } })), 130);
  const lost = [job(1), job(2), job(3, { tests: [{ verdict: 'error' }] })];
  t.is(exitCodeOf(facts({ outcome: { steps: lost } })), 69);
  t.is(exitCodeOf(facts({ outcome: { steps: lost, changes: [change()] } })), 1);
});
