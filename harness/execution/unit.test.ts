// SPDX-License-Identifier: MIT
import test from 'ava';
import { interrupted } from '../errors.ts';
import type { TestResult } from '../schema.ts';
import { fakeExecution } from '../testing/fakeExecution.ts';
import { passing, warns } from '../testing/fakeGuest.ts';
import { runUnit } from './unit.ts';

test('a result is complete when it is announced: its splats have their lines', async (t) => {
  const { execution, request } = await fakeExecution(t, { guest: () => ({ script: warns }) });
  const announced: TestResult[] = [];
  const decode = async (splats: TestResult['splats']) => {
    await new Promise((resolve) => setImmediate(resolve));
    for (const splat of splats) splat.frames = [{ at: 'do_open+0x1/0x2', places: [] }];
  };
  const results = await runUnit(
    { isolation: 'test', requests: [request()] },
    { ...execution, decode },
    { ended: (_, result) => announced.push(structuredClone(result)) },
  );
  t.is(announced[0]?.splats[0]?.frames?.length, 1);
  t.deepEqual(results, announced);
});

test('a declared splat that did not come fails the test, in what is announced, too', async (t) => {
  const { execution, request } = await fakeExecution(t);
  const announced: TestResult[] = [];
  const [result] = await runUnit(
    { isolation: 'test', requests: [request({ expectSplats: [/do_open/] })] },
    execution,
    { ended: (_, one) => announced.push(one) },
  );
  t.like(result, { verdict: 'fail', detail: 'no splat came that matches do_open' });
  t.is(announced[0], result);
});

test('the results of a unit come in the order of its tests, whatever decoding takes', async (t) => {
  const { execution, request, started } = await fakeExecution(t, { guest: () => ({ script: warns }) });
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  let calls = 0;
  const decode = async () => {
    if (calls++ === 0) await first.promise;
    else first.resolve();
  };
  const results = await runUnit(
    { isolation: 'suite', requests: [request({ test: 'a' }), request({ test: 'b' })] },
    { ...execution, decode },
    { begins: (one) => order.push(`${one.test} begins`), ended: (one) => order.push(one.test) },
  );
  t.deepEqual(
    results.map((result) => result.test),
    ['a', 'b'],
  );
  t.deepEqual(order, ['a begins', 'b begins', 'b', 'a']);
  t.is(started.length, 1);
});

test('a unit that runs case by case is announced as one test', async (t) => {
  const { execution, request } = await fakeExecution(t);
  const told: string[] = [];
  const results = await runUnit({ isolation: 'case', requests: [request()] }, execution, {
    begins: ({ test: name }) => told.push(`${name} begins`),
    ended: (_, { verdict }) => told.push(verdict),
  });
  t.deepEqual(told, ['first begins', 'pass']);
  t.is(results[0]?.problems[0], 'it lists no cases (-l), so all of it ran in one guest');
});

test('when a unit is interrupted, what has come to its end is announced before that is thrown', async (t) => {
  const all = await fakeExecution(t, {
    guest: () => ({
      script: {
        run: ({ id, path }, agent) => {
          agent.begin(id);
          agent.output(passing);
          if (path.endsWith('/a')) return agent.end(id);
          all.abort.abort(interrupted());
          return agent.guest.exit({ signal: 'SIGKILL' });
        },
      },
    }),
  });
  const told: string[] = [];
  const requests = [all.request({ test: 'a' }), all.request({ test: 'b' })];
  const decode = () => new Promise<void>((resolve) => setTimeout(resolve, 20));
  await t.throwsAsync(
    runUnit(
      { isolation: 'suite', requests },
      { ...all.execution, decode },
      { ended: ({ test: name }) => told.push(name) },
    ),
    { message: 'interrupted' },
  );
  t.deepEqual(told, ['a']);
});
