// SPDX-License-Identifier: MIT
import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { fakeExecution } from '../testing/fakeExecution.ts';
import { type FakeAgent, passing, type Script } from '../testing/fakeGuest.ts';
import { runByCase } from './byCase.ts';

const list = `TAP version 13
1..0 # SKIP
# FIXTURE             VARIANT                   TEST
# ---
file                                            read
                                                write
                                                seek
`.replace('# ---\n', '');

type Case = (agent: FakeAgent, id: number, name: string) => void;

const passes: Case = (agent, id, name) => {
  agent.output(`KTAP version 1\n1..1\nok 1 ${name}\n`);
  agent.end(id);
};

/** Run a program with three cases; `one` is what each does in its guest. */
async function run(t: ExecutionContext, one: Case, lists: Script['run'] = undefined) {
  const script: Script = {
    run: (message, agent) => {
      const { id, args } = message;
      if (args[0] === '-l' && lists) return lists(message, agent);
      agent.begin(id);
      if (args[0] === '-l') {
        agent.output(list);
        return agent.end(id);
      }
      return one(agent, id, args[1] ?? 'whole');
    },
  };
  const all = await fakeExecution(t, { slots: 4, guest: () => ({ script }) });
  const begun: string[] = [];
  const result = await runByCase(all.request(), all.execution, (request) => void begun.push(request.test));
  const asked = all.started.flatMap(({ fake }) =>
    fake.agent.heard.flatMap((message) => (message.type === 'run' ? [message.args.join(' ')] : [])),
  );
  return { ...all, result, begun, asked };
}

test('each case that a program lists runs in a guest of its own, and one result is made of all', async (t) => {
  const { result, asked, begun } = await run(t, passes);
  t.deepEqual(asked.toSorted(), ['-l', '-r file.read', '-r file.seek', '-r file.write']);
  t.like(result, { suite: 'demo', test: 'first', verdict: 'pass', detail: '', duration_ms: 30 });
  t.deepEqual(
    result.cases.map(({ name }) => name),
    ['file.read', 'file.write', 'file.seek'],
  );
  t.deepEqual(begun, ['first']);
});

test('one bad case is the verdict, with how many there are, and its guest is the one shown', async (t) => {
  const { result } = await run(t, (agent, id, name) => {
    agent.output(`KTAP version 1\n1..1\n${name === 'file.write' ? 'not ok' : 'ok'} 1 ${name}\n`);
    agent.end(id, { leftovers: 1 });
  });
  t.is(result.verdict, 'fail');
  t.is(result.detail, '1 of 3 cases: 1 of 1 case failed: file.write');
  t.deepEqual(
    result.cases.map(({ detail }) => detail),
    ['', '', ''],
  );
  t.is(result.problems[0], 'file.read: the agent killed 1 process that outlived the test');
  t.is(result.guest?.output, 'guests/demo/first/2-file.write/output.log');
  t.is(result.reproduce, 'kiln test demo/first');
});

test('cases of one name in several guests have different names in the result', async (t) => {
  const { result } = await run(t, (agent, id) => {
    agent.output('KTAP version 1\n1..1\nok 1 same\n');
    agent.end(id);
  });
  t.deepEqual(
    result.cases.map(({ name }) => name),
    ['same', 'same (2)', 'same (3)'],
  );
});

test('a case whose guest died has a result line all the same', async (t) => {
  const { result } = await run(t, (agent, id, name) => {
    if (name === 'file.seek') agent.guest.exit({ code: 0 }, [{ event: 'GUEST_PANICKED' }]);
    else passes(agent, id, name);
  });
  t.is(result.verdict, 'crash');
  t.deepEqual(result.cases.at(-1), {
    name: 'file.seek',
    verdict: 'fail',
    detail: 'crash: the kernel panicked during the test',
  });
});

test('a program that lists no cases runs as a whole, and a problem says so', async (t) => {
  const { result, asked } = await run(t, passes, ({ id }, agent) => {
    agent.begin(id);
    agent.output(passing);
    agent.end(id);
  });
  t.deepEqual(asked, ['-l', '']);
  t.is(result.verdict, 'pass');
  t.deepEqual(result.problems, ['it lists no cases (-l), so all of it ran in one guest']);
});

test('a list that was cut short by a failure is not believed', async (t) => {
  const { asked } = await run(t, passes, ({ id }, agent) => {
    agent.begin(id);
    agent.output(list);
    agent.end(id, { how: 'signal', status: 11 });
  });
  t.deepEqual(asked, ['-l', '']);
});

test('a guest that dies while the cases are listed is the result', async (t) => {
  const { result, asked } = await run(t, passes, (_, agent) =>
    agent.guest.exit({ code: 0 }, [{ event: 'GUEST_PANICKED' }]),
  );
  t.is(result.verdict, 'crash');
  t.deepEqual(asked, ['-l']);
});

test('listing cases may take 20 s', async (t) => {
  const all = await fakeExecution(t, {
    guest: () => ({ script: { run: ({ id }, agent) => agent.begin(id) } }),
  });
  const result = runByCase(all.request(), all.execution, () => {});
  await all.have(1);
  const { agent, clock } = all.started[0]!.fake;
  const { timeout_ms, id } = await agent.next('run');
  t.is(timeout_ms, 200_000);
  await setImmediate();
  clock.advance(20_000);
  await agent.next('kill');
  t.true(id > 0);
  await all.have(2);
  const second = all.started[1]!.fake.agent;
  t.is((await second.next('run')).timeout_ms, 600_000);
  second.output(passing);
  second.end(second.running);
  t.is((await result).verdict, 'pass');
});
