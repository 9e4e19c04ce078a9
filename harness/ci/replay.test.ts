// SPDX-License-Identifier: MIT
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { fakeExecution, fakeJob } from '../testing/fakeExecution.ts';
import type { Script } from '../testing/fakeGuest.ts';
import { Blame, pairBudget } from './blame.ts';
import type { Failure } from './failures.ts';
import { byTest, hasTest, replay, type Side } from './replay.ts';

/** A kernel whose test has two cases. `fails`: the cases that fail in the guest that is started as the `index`-th. */
async function side(
  t: ExecutionContext,
  fails: (index: number) => string[],
  before = () => {},
): Promise<Side> {
  const line = (bad: string[], name: string, number: number) =>
    `${bad.includes(name) ? 'not ok' : 'ok'} ${number} ${name}\n`;
  const script = (index: number): Script => ({
    run: ({ id }, agent) => {
      agent.begin(id);
      const bad = fails(index);
      agent.output(`KTAP version 1\n1..2\n${line(bad, 'one', 1)}${line(bad, 'two', 2)}`);
      agent.end(id);
    },
  });
  const guest = (_: unknown, index: number) => {
    before();
    return { script: script(index) };
  };
  const { execution, runDir } = await fakeExecution(t, { slots: 1, guest });
  const { recorder, built } = fakeJob({ a: {} });
  return { plan: recorder.plan, built, execution, runDir, key: '' };
}

const failure = (name: string): Failure => ({ suite: 'demo', test: 'a', case: name, splat: null });
const always = () => ['one'];
const never = () => [];

test('a failure that only patched has is new, after as many runs on each as needed', async (t) => {
  const progress: number[] = [];
  const sides = { patched: await side(t, always), base: await side(t, never) };
  const [decision, ...others] = await replay([failure('one')], sides, new Blame(1), (_, pairs) =>
    progress.push(pairs),
  );
  t.deepEqual(others, []);
  t.like(decision, { answer: 'new', pairs: 7, patched: 7, base: 0 });
  t.deepEqual(progress, [1, 2, 3, 4, 5, 6, 7]);
  const { plan, runDir } = sides.patched;
  t.deepEqual(await readdir(join(runDir, 'guests', plan.id, 'demo', 'a.replays')), []);
});

test('the failures of a test are decided from the same runs, each on its own', async (t) => {
  const patched = await side(t, () => ['one', 'two']);
  const base = await side(t, () => ['two']);
  const decisions = await replay([failure('one'), failure('two')], { patched, base }, new Blame(2), () => {});
  t.like(decisions[0], { answer: 'new' });
  t.like(decisions[1], { answer: 'not-new' });
  t.is(decisions[1]!.patched, decisions[1]!.pairs);
  t.true(decisions[0]!.pairs < decisions[1]!.pairs);
});

test('what fails now and then on both stays undecided at the end of the budget, or is not new', async (t) => {
  const every = (n: number) => (index: number) => (index % n === 0 ? ['one'] : []);
  const sides = { patched: await side(t, every(4)), base: await side(t, every(4)) };
  const [decision] = await replay([failure('one')], sides, new Blame(1), () => {});
  t.not(decision!.answer, 'new');
  t.true(decision!.pairs <= pairBudget);
});

test('runs that are lost to the host do not count, and too many of them end it', async (t) => {
  const lost = () => {
    throw new Error('no QEMU');
  };
  const sides = { patched: await side(t, always), base: await side(t, never, lost) };
  const [decision] = await replay([failure('one')], sides, new Blame(1), () => {});
  t.like(decision, { answer: 'undecided', pairs: 0 });
});

test('failures are asked by test, each once; and a test that is not there can’t be', async (t) => {
  const other = { ...failure('one'), test: 'b' };
  t.deepEqual(byTest([failure('one'), other, failure('two'), failure('one')]), [
    [failure('one'), failure('two')],
    [other],
  ]);
  const patched = await side(t, always);
  t.true(hasTest(patched, failure('one')));
  t.false(hasTest(patched, other));
  t.like((await replay([other], { patched, base: patched }, new Blame(1), () => {}))[0], { pairs: 0 });
});
