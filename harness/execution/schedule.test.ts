// SPDX-License-Identifier: MIT
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { limits } from '../limits.ts';
import { fakeExecution, fakeJob } from '../testing/fakeExecution.ts';
import { type FakeAgent, passing, type Script } from '../testing/fakeGuest.ts';
import { lostAtBoot } from '../testing/fakePool.ts';
import { runTests } from './schedule.ts';

test('results stand in the order of the plan, whatever comes to its end first', async (t) => {
  const waiting: (() => void)[] = [];
  const script: Script = {
    run: ({ id, path }, agent) => {
      agent.begin(id);
      const end = () => {
        agent.output(passing);
        agent.end(id);
      };
      // The first test ends when the second has.
      if (path.endsWith('/a')) waiting.push(end);
      else end();
    },
  };
  const all = await fakeExecution(t, { guest: () => ({ script }) });
  const { recorder, built, events } = fakeJob({ a: {}, b: {} });
  const running = runTests(
    Object.assign(recorder, {
      emit: (event: (typeof events)[number]) => {
        events.push(event);
        if (event.type === 'test-end') for (const end of waiting.splice(0)) end();
      },
    }),
    built,
    all.runDir,
    all.execution,
  );
  t.like(await running, { cached: false, text: '2 tests' });
  t.deepEqual(
    recorder.tests.map((result) => result?.test),
    ['a', 'b'],
  );
  const ended = events.flatMap((event) => (event.type === 'test-end' ? [event.result.test] : []));
  t.deepEqual(ended, ['b', 'a']);
});

test('a test that is to be first has the first turn, and its result stands where the plan has it', async (t) => {
  const all = await fakeExecution(t, { slots: 1 });
  const { recorder, built, events } = fakeJob({ a: {}, b: {}, c: {} });
  const isFirst = ({ test: name }: { test: string }) => name === 'c';
  await runTests(recorder, built, all.runDir, { ...all.execution, isFirst });
  const ended = events.flatMap((event) => (event.type === 'test-end' ? [event.result.test] : []));
  t.deepEqual(ended, ['c', 'a', 'b']);
  t.deepEqual(
    recorder.tests.map((result) => result?.test),
    ['a', 'b', 'c'],
  );
});

test('what is planned, begins and ends is announced, each test of the job', async (t) => {
  const all = await fakeExecution(t, { slots: 5 });
  const { recorder, built, events } = fakeJob({ a: {}, b: { isolation: 'boot' } });
  await runTests(recorder, built, all.runDir, all.execution);
  t.deepEqual(events[0], { type: 'tests-planned', job: recorder.plan.id, total: 2, guests: 2 });
  const told = events.slice(1).map((event) => ('test' in event ? `${event.type} ${event.test}` : event.type));
  t.deepEqual(told.toSorted(), ['test-end', 'test-end', 'test-start a', 'test-start b']);
  t.deepEqual(all.started.map(({ how }) => how).toSorted(), ['boot', 'fork']);
});

test('tests of one suite share a guest if they ask for it and for the same machine', async (t) => {
  const all = await fakeExecution(t);
  const isolation = 'suite' as const;
  const { recorder, built } = fakeJob({ a: { isolation }, b: { isolation, memory: 256 }, c: { isolation } });
  await runTests(recorder, built, all.runDir, all.execution);
  const ran = ({ agent }: { agent: FakeAgent }) =>
    agent.heard.flatMap((message) => (message.type === 'run' ? [message.path.at(-1)] : [])).join('');
  t.deepEqual(all.started.map(({ fake }) => ran(fake)).toSorted(), ['ac', 'b']);
  t.is(recorder.tests.filter((result) => result?.verdict === 'pass').length, 3);
});

test('a kernel that did not come up for one test is not waited for again, on the same machine', async (t) => {
  const all = await fakeExecution(t, {
    slots: 1,
    template: (index) => {
      if (index === 0) throw lostAtBoot({ why: 'silent', detail: 'no answer within 120 s' });
      return {};
    },
  });
  const { recorder, built, events } = fakeJob({ a: {}, b: {}, c: { memory: 256 } });
  await runTests(recorder, built, all.runDir, all.execution);
  const [a, b, c] = recorder.tests;
  t.like(a, { verdict: 'timeout', boot_ms: null });
  t.like(b, { verdict: 'timeout', guest: null });
  t.is(b?.detail, `not run: the kernel did not boot for demo/a (${a?.detail})`);
  t.is(c?.verdict, 'pass');
  t.deepEqual(
    events.flatMap((event) => (event.type === 'test-start' ? [event.test] : [])),
    ['a', 'c'],
  );
});

test('a test that failed on a kernel that came up keeps no other from running', async (t) => {
  const script: Script = {
    run: ({ id, path }, agent) => {
      agent.begin(id);
      agent.end(id, { status: path.endsWith('/a') ? 1 : 0 });
    },
  };
  const all = await fakeExecution(t, { slots: 1, guest: () => ({ script }) });
  const { recorder, built } = fakeJob({ a: {}, b: {} });
  await runTests(recorder, built, all.runDir, all.execution);
  t.deepEqual(
    recorder.tests.map((result) => result?.verdict),
    ['fail', 'pass'],
  );
});

test('a boot that the host kept from going on is tried again for the next test', async (t) => {
  const all = await fakeExecution(t, {
    slots: 1,
    guest: (_, index) =>
      index === 0 ? { isMute: true, monitor: { 'query-status': () => ({ status: 'paused' }) } } : {},
  });
  const { recorder, built } = fakeJob({ a: { isolation: 'boot' }, b: { isolation: 'boot' } });
  const running = runTests(recorder, built, all.runDir, all.execution);
  await all.have(1);
  await setImmediate();
  all.started[0]!.fake.clock.advance(limits.boot);
  await running;
  t.like(recorder.tests[0], { verdict: 'error', boot_ms: null });
  t.truthy(recorder.tests[0]?.guest);
  t.is(recorder.tests[1]?.verdict, 'pass');
});

test('an infrastructure error of one test is no reason not to try the next', async (t) => {
  let count = 0;
  const all = await fakeExecution(t, {
    slots: 1,
    guest: () => {
      if (count++ === 0) throw new Error('no descriptors left');
      return {};
    },
  });
  const { recorder, built } = fakeJob({ a: { isolation: 'boot' }, b: { isolation: 'boot' } });
  await runTests(recorder, built, all.runDir, all.execution);
  t.deepEqual(
    recorder.tests.map((result) => result?.verdict),
    ['error', 'pass'],
  );
});

test('the limit by hand holds for every test', async (t) => {
  const all = await fakeExecution(t);
  const { recorder, built } = fakeJob({ a: { timeout: 200 } }, { timeout: 7 });
  await runTests(recorder, built, all.runDir, all.execution);
  t.is(recorder.tests[0]?.time?.limit_ms, 7000);
});

for (const isolation of ['test', 'case', 'suite'] as const)
  test(`a program that does not build fails its tests, and the others run: isolation=${isolation}`, async (t) => {
    const all = await fakeExecution(t, { slots: 1 });
    const { recorder, built } = fakeJob({ a: { isolation }, b: { isolation: 'test' } });
    const errors = ['a.c:1: error: no such thing', 'a.c:2: error: nor this'];
    built.image.broken['demo/a'] = { program: 'a', errors, hint: 'install the thing' };
    await runTests(recorder, built, all.runDir, all.execution);
    const [a, b] = recorder.tests;
    t.like(a, { verdict: 'fail', detail: `does not build: ${errors[0]}`, guest: null });
    t.deepEqual(a?.problems, [errors[1], 'install the thing']);
    t.is(b?.verdict, 'pass');
    t.is(all.started.length, 1);
  });

for (const isolation of ['test', 'case', 'suite'] as const)
  test(`a test that needs what the processor lacks is skipped, without a guest: isolation=${isolation}`, async (t) => {
    const all = await fakeExecution(t, { slots: 1 });
    const needs = { a: ['la57', 'svm|vmx', 'nx'], b: ['nx'] };
    const { recorder, built } = fakeJob({
      a: { isolation, needs_cpu: needs.a },
      b: { isolation: 'test', needs_cpu: needs.b },
    });
    built.accelerator.lacks = ['la57', 'svm|vmx'];
    await runTests(recorder, built, all.runDir, all.execution);
    const [a, b] = recorder.tests;
    const detail = "not run: the guests' processor has no la57 and no svm|vmx";
    t.like(a, { verdict: 'skip', detail, guest: null });
    t.is(b?.verdict, 'pass');
    t.is(all.started.length, 1);
  });
