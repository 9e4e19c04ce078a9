// SPDX-License-Identifier: MIT
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { exampleTest } from '../testing/example.ts';
import { fakeJob } from '../testing/fakeExecution.ts';
import { findDecision, findKnown, keyOfJob, storeDecision, storeKnown } from './known.ts';
import type { Decision } from './replay.ts';

async function cacheOf(t: ExecutionContext): Promise<string> {
  const cache = await mkdtemp(join(tmpdir(), 'kiln-known-'));
  t.teardown(() => rm(cache, { recursive: true, force: true }));
  return cache;
}

test('results come back for another job of the same key, without the logs of the earlier run', async (t) => {
  const cache = await cacheOf(t);
  await storeKnown(cache, 'a', 'run-1', [exampleTest({ job: 'base' })]);
  const known = await findKnown(cache, 'a', 'patch-2');
  t.is(known?.run, 'run-1');
  t.like(known?.tests[0], { job: 'patch-2', verdict: 'pass', guest: null });
  t.is(await findKnown(cache, 'b', 'patch-2'), null);
});

test('a run with an infrastructure error is run again', async (t) => {
  const cache = await cacheOf(t);
  await storeKnown(cache, 'a', 'run-1', [exampleTest(), exampleTest({ verdict: 'error' })]);
  t.is(await findKnown(cache, 'a', 'base'), null);
});

test('a decision stands between two keys, unless it is none', async (t) => {
  const cache = await cacheOf(t);
  const failure = { suite: 'demo', test: 'a', case: 'x', splat: null };
  const decision: Decision = { failure, pairs: 7, patched: 7, base: 0, answer: 'new' };
  const find = (keys: string[], what = failure, error = 0.001) => findDecision(cache, keys, what, error);
  await storeDecision(cache, ['p', 'b'], decision, 0.001);
  t.deepEqual(await find(['p', 'b']), decision);
  t.is(await find(['b', 'p']), null);
  t.is(await find(['p', 'b'], { ...failure, case: 'y' }), null);
  await storeDecision(cache, ['q', 'b'], { ...decision, answer: 'undecided' }, 0.001);
  t.is(await find(['q', 'b']), null);
});

test('a run that must be more certain than an earlier one decides anew', async (t) => {
  const cache = await cacheOf(t);
  const failure = { suite: 'demo', test: 'a', case: 'x', splat: null };
  const decision: Decision = { failure, pairs: 7, patched: 7, base: 0, answer: 'new' };
  await storeDecision(cache, ['p', 'b'], decision, 0.001);
  t.is(await findDecision(cache, ['p', 'b'], failure, 0.0001), null);
  t.deepEqual(await findDecision(cache, ['p', 'b'], failure, 0.01), decision);
});

test('the key of a job depends on its kernel, its tests, their settings and its options', (t) => {
  const key = (settings: object, ask = {}, kernel = 'k') => {
    const { recorder, built } = fakeJob({ a: settings }, ask);
    return keyOfJob(recorder.plan, { ...built, kernel: { ...built.kernel, key: kernel } });
  };
  const all = [
    key({}),
    key({ memory: 512 }),
    key({ expect_splat: [/a/] }),
    key({ expect_splat: [/b/] }),
    key({}, { timeout: 5 }),
    key({}, {}, 'other'),
  ];
  t.is(new Set(all).size, all.length);
  t.is(key({}), key({}));
  t.is(key({}), key({}, { series: ['/s'], jobs: 7 }));
});
