// SPDX-License-Identifier: MIT
import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { KilnError } from '../errors.ts';
import { SetUpFailed } from '../pool/template.ts';
import { fakeExecution } from '../testing/fakeExecution.ts';
import { type FakeAgent, passing, type Script } from '../testing/fakeGuest.ts';
import type { FakePoolOptions } from '../testing/fakePool.ts';
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

test('listing cases may take as long as a test', async (t) => {
  const all = await fakeExecution(t, {
    guest: () => ({ script: { run: ({ id }, agent) => agent.begin(id) } }),
  });
  const result = runByCase(all.request(), all.execution, () => {});
  await all.have(1);
  const { agent, clock } = all.started[0]!.fake;
  const { timeout_ms, id } = await agent.next('run');
  t.is(timeout_ms, 600_000);
  await setImmediate();
  clock.advance(60_000);
  await agent.next('kill');
  t.true(id > 0);
  await all.have(2);
  const second = all.started[1]!.fake.agent;
  t.is((await second.next('run')).timeout_ms, 600_000);
  second.output(passing);
  second.end(second.running);
  t.is((await result).verdict, 'pass');
});

/** A program that calls kiln_ready(), with three cases. */
function withSetUp(t: ExecutionContext, template: FakePoolOptions['template']) {
  const script: Script = {
    run: ({ id, args }, agent) => {
      agent.begin(id);
      agent.output(args[0] === '-l' ? list : passing);
      agent.end(id, { ready: true });
    },
    proceed: ({ id, args }, agent) => {
      agent.begin(id, { ktap: 0, kmsg: 5 });
      agent.output(`ok 1 ${args[1]}\n`);
      agent.end(id);
    },
  };
  return fakeExecution(t, { guest: () => ({ script }), ...(template ? { template } : {}) });
}

/** What the guests were told to run, in their order. */
function toldOf({ started }: Pick<Awaited<ReturnType<typeof fakeExecution>>, 'started'>): string[] {
  return started.flatMap(({ fake }) =>
    fake.agent.heard.flatMap((message) =>
      message.type === 'run' || message.type === 'proceed' ? [[message.type, ...message.args].join(' ')] : [],
    ),
  );
}

test('the cases of a program that calls kiln_ready() go on from there, and begin with what it has said', async (t) => {
  const output = 'KTAP version 1\n1..1\n';
  const all = await withSetUp(t, (index) => (index === 0 ? {} : { output }));
  const result = await runByCase(all.request(), all.execution, () => {});
  t.deepEqual(toldOf(all).toSorted(), [
    'proceed -r file.read',
    'proceed -r file.seek',
    'proceed -r file.write',
    'run -l',
  ]);
  t.is(all.counts.templates, 2);
  t.like(result, { verdict: 'pass', problems: [] });
  t.deepEqual(
    result.cases.map(({ name }) => name),
    ['file.read', 'file.write', 'file.seek'],
  );
  const setUp = { path: '/tests/demo/first', cwd: '/tests/demo', limit: 60 };
  t.deepEqual(all.started.at(-1)!.machine.setUp, setUp);

  // A repetition has the list and the template.
  await runByCase(all.request(), all.execution, () => {});
  t.is(toldOf(all).filter((told) => told === 'run -l').length, 1);
  t.is(all.counts.templates, 2);
});

test('a program whose set-up fails there runs as a whole, and says why', async (t) => {
  const all = await withSetUp(t, (index) => {
    if (index > 0) throw new SetUpFailed('it ended with exit code 3');
    return {};
  });
  const result = await runByCase(all.request(), all.execution, () => {});
  t.deepEqual(toldOf(all), ['run -l', 'run']);
  t.deepEqual(result.problems, [
    'the program did not come to kiln_ready(): it ended with exit code 3, so all of it ran in one guest',
  ]);
  t.deepEqual(all.notes, []);
});

test('guests that can’t be forked are booted, and their programs run from the beginning', async (t) => {
  const all = await withSetUp(t, (index) => {
    if (index > 0) throw new KilnError('infrastructure', 'no room');
    return {};
  });
  await runByCase(all.request(), all.execution, () => {});
  t.deepEqual(toldOf(all).toSorted(), [
    'run -l',
    'run -r file.read',
    'run -r file.seek',
    'run -r file.write',
  ]);
});
