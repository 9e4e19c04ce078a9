// SPDX-License-Identifier: MIT
import test from 'ava';
import { interrupted, KilnError } from '../errors.ts';
import { fakeJob } from '../testing/fakeExecution.ts';

test('a stage that comes to its end is announced, and in the results with its time', async (t) => {
  const { recorder, events } = fakeJob({ a: {} });
  const value = await recorder.stage('kernel', async () => ({ value: 42, cached: true, text: '6.12' }));
  t.is(value, 42);
  t.like(recorder.job.stages, [{ name: 'kernel', cached: true }]);
  const job = recorder.plan.id;
  const { duration_ms: durationMs } = recorder.job.stages[0]!;
  t.deepEqual(events, [
    { type: 'stage-start', job, stage: 'kernel' },
    { type: 'stage-end', job, stage: 'kernel', cached: true, durationMs, text: '6.12' },
  ]);
});

test('a stage that fails is announced, stands in the results, and its error is thrown as it is', async (t) => {
  const { recorder, events } = fakeJob({ a: {} });
  const error = new KilnError('does-not-build', 'no rule to make it');
  const failing = recorder.stage('kernel', async () => {
    throw error;
  });
  t.is(await t.throwsAsync(failing), error);
  t.like(recorder.job.stages, [{ name: 'kernel', cached: false }]);
  t.like(events.at(-1), { type: 'stage-failed', stage: 'kernel', message: 'no rule to make it' });
});

test('after an interruption no stage begins its work', async (t) => {
  const abort = new AbortController();
  const { recorder } = fakeJob({ a: {} }, {}, abort.signal);
  abort.abort(interrupted());
  let hasRun = false;
  const stage = recorder.stage('base', async () => {
    hasRun = true;
    return { value: 0, cached: false, text: '' };
  });
  await t.throwsAsync(stage, { message: 'interrupted' });
  t.false(hasRun);
});

test('what a stage notes is announced, and of it the warnings stand in the results', async (t) => {
  const { recorder, events } = fakeJob({ a: {} });
  await recorder.stage('config', async (context) => {
    context.note('info', 'by the way');
    context.note('warn', 'look out');
    context.progress('configuring');
    context.progress('building', 1, 2);
    return { value: 0, cached: false, text: '' };
  });
  const job = recorder.plan.id;
  t.deepEqual(recorder.job.notes, ['look out']);
  t.deepEqual(events.slice(1, -1), [
    { type: 'note', job, level: 'info', text: 'by the way' },
    { type: 'note', job, level: 'warn', text: 'look out' },
    { type: 'stage-progress', job, stage: 'config', text: 'configuring' },
    { type: 'stage-progress', job, stage: 'config', text: 'building', done: 1, total: 2 },
  ]);
});

test('the sandbox that one stage has chosen holds for those after it', async (t) => {
  const { recorder } = fakeJob({ a: {} });
  const seen: unknown[] = [];
  const look = () =>
    recorder.stage('kernel', async ({ sandbox }) => {
      seen.push(sandbox);
      return { value: 0, cached: false, text: '' };
    });
  await look();
  recorder.sandbox = { flags: [], reason: 'it works', foreign: true };
  await look();
  t.deepEqual(seen, [undefined, recorder.sandbox]);
});

test('a job that has not begun says what was asked for, and nothing else', (t) => {
  const { recorder } = fakeJob({ a: {} }, { series: ['/lists/fix.mbox'], config: ['kasan'] });
  t.like(recorder.job, { id: 'fix-kasan', config: ['kasan'], kernel: null, error: null, stages: [] });
  t.deepEqual(recorder.job.series, [{ name: '/lists/fix.mbox', source: '/lists/fix.mbox', patches: [] }]);
  t.deepEqual(recorder.tests, []);
});
