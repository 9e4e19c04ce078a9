// SPDX-License-Identifier: MIT
// Fake kernels that fail as they are told: from the first results to what is said of the series.
import test, { type ExecutionContext } from 'ava';
import type { Change, TestResult } from '../schema.ts';
import { exampleResults, exampleTest } from '../testing/example.ts';
import { fakeExecution, fakeJob } from '../testing/fakeExecution.ts';
import type { Script } from '../testing/fakeGuest.ts';
import { findChanges, type Group, type Tested } from './changes.ts';

const names = ['one', 'two', 'three'];
let kernels = 0;

/** A tree on which some of three cases fail: always, or in the first `times` guests. */
async function tree(
  t: ExecutionContext,
  fails: string[],
  first: Partial<TestResult> = {},
  times = Number.POSITIVE_INFINITY,
): Promise<Tested> {
  const script = (guest: number): Script => ({
    run: ({ id }, agent) => {
      agent.begin(id);
      const bad = guest < times ? fails : [];
      const lines = names.map(
        (name, index) => `${bad.includes(name) ? 'not ok' : 'ok'} ${index + 1} ${name}\n`,
      );
      agent.output(`KTAP version 1\n1..3\n${lines.join('')}`);
      agent.end(id);
    },
  });
  const guest = (_: unknown, index: number) => ({ script: script(index) });
  const { execution, runDir } = await fakeExecution(t, { slots: 2, guest });
  const { recorder, built } = fakeJob({ a: {} });
  const cases = names.map((name) => {
    return { name, verdict: fails.includes(name) ? ('fail' as const) : ('pass' as const), detail: '' };
  });
  const result = exampleTest({ test: 'a', verdict: fails.length > 0 ? 'fail' : 'pass', cases, ...first });
  const [job] = exampleResults().jobs;
  return {
    outcome: { job: job!, tests: [result], error: null },
    side: { plan: recorder.plan, built, execution, runDir, recorder, key: `key-${kernels++}` },
  };
}

async function changes(group: Omit<Group, 'kernel'>, reproducer: string | null = null): Promise<Change[]> {
  const found: Change[] = [];
  await findChanges([{ kernel: null, ...group }], { reproducer, again: false, first: null }, found);
  return found.toSorted((a, b) => ((a.case ?? '') < (b.case ?? '') ? -1 : 1));
}

const told = (all: Change[]) => all.map(({ case: name, kind, patch }) => [name, kind, patch]);

test('what the series breaks is new, with the patch; what it mends is fixed; the rest failed before', async (t) => {
  const base = await tree(t, ['two', 'three']);
  const steps = [
    await tree(t, ['two', 'three']),
    await tree(t, ['one', 'two']),
    await tree(t, ['one', 'two']),
    await tree(t, ['one', 'two']),
  ];
  t.deepEqual(told(await changes({ base, steps })), [
    ['one', 'new-failure', 2],
    ['three', 'fixed', null],
    ['two', 'failing-before', null],
  ]);
});

test('the first patch that has a kernel is named, and those before it that have none', async (t) => {
  const [base, broken] = [await tree(t, []), await tree(t, ['one'])];
  const steps = [await tree(t, []), { ...broken, side: null }, null, broken];
  const [change] = await changes({ base, steps });
  t.like(change, { kind: 'new-failure', patch: 4 });
  t.regex(change!.sentence, /; patches 2 to 3 can't be tested alone$/);
});

test('a patch that may have the failure, too, is not cleared', async (t) => {
  // New while the whole series is asked, and then seen on neither tree.
  const whole = await tree(t, ['one'], {}, 12);
  const [change] = await changes({ base: await tree(t, []), steps: [await tree(t, []), whole] });
  t.like(change, { kind: 'new-failure', patch: 2 });
  t.regex(change!.sentence, /; patch 1 may have it, too$/);
});

test('what fails in the middle of the series only is found, too', async (t) => {
  const base = await tree(t, []);
  const steps = [await tree(t, []), await tree(t, ['one']), await tree(t, [])];
  t.deepEqual(told(await changes({ base, steps })), [['one', 'new-failure', 2]]);
});

test('a test that only a step in the middle ran is no failure if the base does not have it', async (t) => {
  const [base, last] = [await tree(t, []), await tree(t, [])];
  const middle = await tree(t, []);
  const fresh = exampleTest({ test: 'fresh', verdict: 'fail', cases: [] });
  middle.outcome.tests.push(fresh);
  t.deepEqual(await changes({ base, steps: [middle, last] }), []);
});

test('what fails at a step and at the last has one report, with the patch', async (t) => {
  const base = await tree(t, ['three']);
  const steps = [
    await tree(t, ['one', 'three']),
    await tree(t, ['one', 'two', 'three']),
    await tree(t, ['one']),
  ];
  t.deepEqual(told(await changes({ base, steps })), [
    ['one', 'new-failure', 1],
    ['three', 'fixed', null],
    ['two', 'new-failure', 2],
  ]);
});

test('a reproducer is asked as a whole, and is fixed if it fails on the base only', async (t) => {
  const [failing, passing] = [await tree(t, ['one', 'two']), await tree(t, [])];
  t.deepEqual(told(await changes({ base: failing, steps: [passing] }, 'demo')), [[null, 'fixed', null]]);
  t.deepEqual(told(await changes({ base: failing, steps: [await tree(t, ['one'])] }, 'demo')), [
    [null, 'failing-before', null],
  ]);
  t.deepEqual(told(await changes({ base: passing, steps: [await tree(t, [])] }, 'demo')), [
    [null, 'flaky', null],
  ]);
});

test('a base that fails by itself says nothing', async (t) => {
  const dead = await tree(t, names, { verdict: 'crash', boot_ms: null });
  t.deepEqual(await changes({ base: dead, steps: [await tree(t, ['one'])] }), []);
  t.deepEqual(await changes({ base: { ...dead, side: null }, steps: [await tree(t, ['one'])] }), []);
});

test('what is known of the same kernels is not run again', async (t) => {
  const [base, step] = [await tree(t, []), await tree(t, ['one'])];
  const first = await changes({ base, steps: [step] });
  const { pool } = step.side!.execution;
  await pool[Symbol.asyncDispose]();
  t.deepEqual(await changes({ base, steps: [step] }), first);
});
