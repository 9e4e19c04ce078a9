// SPDX-License-Identifier: MIT
// As far as jobs go without a kernel; e2e/jobs.test.ts has two that go all the way.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { interrupted } from './errors.ts';
import type { KilnEvent } from './events.ts';
import { plan } from './job/plan.ts';
import { runJobs } from './run.ts';
import { plainAsk } from './testing/fakeExecution.ts';
import { fakePool } from './testing/fakePool.ts';

/** Run jobs whose base is not there. */
async function run(t: ExecutionContext, ids: string[], abortAt = '') {
  const { pool, context } = await fakePool(t);
  const before = process.env.XDG_CACHE_HOME;
  process.env.XDG_CACHE_HOME = context.cache;
  t.teardown(async () => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
    await rm(context.cache, { recursive: true, force: true });
  });
  const events: KilnEvent[] = [];
  const plans = ids.map((id) => ({
    ...plan({ ...plainAsk, base: `tar:${context.cache}/no-${id}.tar` }, [], []),
    id,
  }));
  const abort = new AbortController();
  const { signal } = abort;
  const emit = (event: KilnEvent) => {
    events.push(event);
    if (event.type === abortAt) abort.abort(interrupted());
  };
  const outcomes = await runJobs(plans, { dir: join(context.cache, 'run'), pool, emit, signal });
  // A note says that a lock takes long, on a busy machine.
  const all = events.filter(({ type }) => type !== 'note');
  const told = all.map((event) => `${event.type} ${'job' in event ? event.job : ''}`);
  return { outcomes, told };
}

test.serial('what stops one job is in its outcome and stops no other; builds take turns', async (t) => {
  const { outcomes, told } = await run(t, ['a', 'b']);
  t.deepEqual(told, ['stage-start a', 'stage-failed a', 'stage-start b', 'stage-failed b']);
  for (const [index, { job, tests, error }] of outcomes.entries()) {
    t.is(job.id, `${['a', 'b'][index]}`);
    t.deepEqual(tests, []);
    t.is(error?.code, 'bad-input');
    t.like(job.error, { code: 'bad-input', message: error?.message });
    t.is(job.stages[0]?.name, 'base');
  }
});

test.serial('jobs of a run that is interrupted are interrupted, whatever they tripped over', async (t) => {
  for (const abortAt of ['stage-start', 'stage-failed']) {
    const { outcomes } = await run(t, ['a', 'b'], abortAt);
    t.deepEqual(
      outcomes.map(({ error }) => error?.code),
      ['interrupted', 'interrupted'],
    );
  }
});
