// SPDX-License-Identifier: MIT
import { readFile, stat } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { interrupted, KilnError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { TestResult } from '../schema.ts';
import { fakeExecution } from '../testing/fakeExecution.ts';
import {
  type FakeAgent,
  fakeMachine,
  type HostMessageOf,
  passes,
  passing,
  type Script,
} from '../testing/fakeGuest.ts';
import type { FakePoolOptions } from '../testing/fakePool.ts';
import { notRun, runAlone, runInOneGuest } from './attempt.ts';
import type { Execution } from './execution.ts';

/** Run tests of these names in one guest; what was announced, in order. */
async function runAll(
  t: ExecutionContext,
  names: string[],
  options: FakePoolOptions,
  more: Partial<Execution> = {},
) {
  const all = await fakeExecution(t, options);
  const told: string[] = [];
  const results: TestResult[] = [];
  await runInOneGuest(
    names.map((name) => all.request({ test: name, origin: 'boot' })),
    { ...all.execution, ...more },
    {
      begins: (request) => void told.push(`${request.test} begins`),
      ended: (request, result) => {
        told.push(`${request.test}: ${result.verdict}`);
        results.push(result);
      },
    },
  );
  return { ...all, told, results };
}

test('tests that share a guest run in it one after another, and only the last one has it powered off', async (t) => {
  const { told, results, started } = await runAll(t, ['a', 'b', 'c'], {});
  t.deepEqual(told, ['a begins', 'a: pass', 'b begins', 'b: pass', 'c begins', 'c: pass']);
  t.is(started.length, 1);
  t.deepEqual(
    started[0]!.fake.agent.heard.map(({ type }) => type),
    ['setup', 'run', 'run', 'run', 'poweroff'],
  );
  t.true(results[0]!.guest!.start_ms! > 0);
  t.is(results[1]!.guest!.start_ms, 0);
  for (const { cases } of results)
    t.deepEqual(
      cases.map(({ name }) => name),
      ['works'],
    );
});

test('a fork is dropped, not powered off', async (t) => {
  const { request, execution, started } = await fakeExecution(t);
  await runAlone(request(), execution);
  const { agent, isGone } = started[0]!.fake;
  t.false(agent.has('poweroff'));
  t.true(isGone);
});

test('what a guest says between two tests is in the log of the second', async (t) => {
  const all = await fakeExecution(t);
  const requests = ['a', 'b'].map((name) => all.request({ test: name, origin: 'boot' }));
  await runInOneGuest(requests, all.execution, {
    begins: () => {},
    ended: ({ test: name }) => name === 'a' && all.started[0]!.fake.agent.console('between\n'),
  });
  const consoles = requests.map(({ guestDir }) => readFile(join(guestDir, 'console.log'), 'utf8'));
  t.deepEqual(await Promise.all(consoles), ['', 'between\n']);
});

test('the log of every test in a fork begins with the boot of the template', async (t) => {
  const all = await fakeExecution(t);
  const requests = ['a', 'b'].map((name) => all.request({ test: name }));
  await runInOneGuest(requests, all.execution, { begins: () => {}, ended: () => {} });
  for (const { guestDir } of requests)
    t.regex(await readFile(join(guestDir, 'kernel.log'), 'utf8'), /^6,0,1,-;Linux version/);
});

test('after a test that lost its guest the next has a new one', async (t) => {
  const script: Script = {
    run: ({ id, path }, agent) => {
      agent.begin(id);
      agent.output(passing);
      if (path.endsWith('/a')) agent.guest.exit({ code: 0 }, [{ event: 'GUEST_PANICKED' }]);
      else agent.end(id);
    },
  };
  const { told, started } = await runAll(t, ['a', 'b'], { guest: () => ({ script }) });
  t.deepEqual(told, ['a begins', 'a: crash', 'b begins', 'b: pass']);
  t.is(started.length, 2);
});

test('after a test that could not be asked for, the next has a new guest, and the old one is ended', async (t) => {
  const all = await fakeExecution(t);
  const requests = ['a', 'b', 'c'].map((name) =>
    all.request({ test: name, origin: 'boot', args: name === 'b' ? ['x'.repeat(100_000)] : [] }),
  );
  const verdicts: string[] = [];
  await runInOneGuest(requests, all.execution, {
    begins: () => {},
    ended: (_, { verdict }) => verdicts.push(verdict),
  });
  t.deepEqual(verdicts, ['pass', 'error', 'pass']);
  t.deepEqual(
    all.started.map(({ fake }) => fake.isGone),
    [true, true],
  );
  t.false(all.started[0]!.fake.agent.has('poweroff'));
});

test('after a test that asked for the next kernel, the next test has a new guest', async (t) => {
  const script: Script = {
    run: (message, agent) => {
      if (!message.path.endsWith('/a')) return passes(message, agent);
      agent.begin(message.id);
      return agent.end(message.id, { how: 'kexec', status: 1 });
    },
  };
  const { told, started } = await runAll(t, ['a', 'b'], { guest: () => ({ script }) });
  t.deepEqual(told, ['a begins', 'a: fail', 'b begins', 'b: pass']);
  t.is(started.length, 2);
});

test('a test that wants more memory than the machine has is not begun', async (t) => {
  const { request, execution, started } = await fakeExecution(t);
  const memory = Math.round(totalmem() / 2 ** 20) + 1;
  const result = await runAlone(request({ machine: { ...fakeMachine, memory } }), execution);
  t.is(result.verdict, 'error');
  t.regex(result.detail, /^not run: it wants a guest with \d+ MiB of memory, this machine has \d+$/);
  t.is(started.length, 0);
});

test('a test that is refused has the result of the refusal, and the others run', async (t) => {
  const refuse: Execution['refuse'] = (request) =>
    request.test === 'a' ? notRun(request, 'crash', 'not run: no use') : null;
  const { told, results } = await runAll(t, ['a', 'b'], {}, { refuse });
  t.deepEqual(told, ['a: crash', 'b begins', 'b: pass']);
  t.like(results[0], { detail: 'not run: no use', guest: null, reproduce: 'kiln test demo/a' });
});

test('a QEMU that does not start is an error of that test, with its hint', async (t) => {
  let calls = 0;
  const { results } = await runAll(t, ['a', 'b'], {
    guest: () => {
      if (calls++ === 0) throw new KilnError('infrastructure', 'no QEMU', { hint: 'get one' });
      return {};
    },
  });
  t.like(results[0], { verdict: 'error', detail: 'no QEMU; get one' });
  t.is(results[1]?.verdict, 'pass');
});

test('a fork that had no room for its memory is run again in a guest that was booted', async (t) => {
  const { request, execution, started } = await fakeExecution(t, {
    guest: (how) =>
      how === 'fork' ? { script: { run: (_, agent) => agent.guest.exit({ signal: 'SIGBUS' }) } } : {},
  });
  const result = await runAlone(request(), execution);
  t.like(result, { verdict: 'pass', guest: { origin: 'boot' } });
  t.regex(
    result.problems[0]!,
    /^it was run once more, in a guest that was booted: at first QEMU was killed by SIGBUS/,
  );
  t.deepEqual(
    started.map(({ how }) => how),
    ['fork', 'boot'],
  );
  t.is(result.guest?.output, 'guests/demo/first/booted/output.log');
});

/** A kernel that complains of standing still while the host kept most of the time from it. */
const stalls: Script = {
  run: async ({ id }, agent) => {
    agent.begin(id);
    await setImmediate();
    agent.guest.clock.withhold(10_000);
    agent.log('rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:');
    agent.output(passing);
    agent.end(id);
  },
};

test('a stall on a busy host is run once more, and the second verdict holds', async (t) => {
  const { request, execution } = await fakeExecution(t, {
    guest: (_, index) => (index === 0 ? { script: stalls } : {}),
  });
  const result = await runAlone(request(), execution);
  t.is(result.verdict, 'pass');
  t.regex(
    result.problems[0]!,
    /^it was run once more: fail at first \(.*stall.*\), while QEMU waited for a processor for 10 of 10 s$/,
  );
  t.is(result.guest?.output, 'guests/demo/first/again/output.log');
});

test('a guest that stalled on a busy host until it was lost is run once more', async (t) => {
  const { request, execution, started, have } = await fakeExecution(t, {
    guest: (_, index) => (index === 0 ? { script: { run: ({ id }, agent) => agent.begin(id) } } : {}),
  });
  const result = runAlone(request(), execution);
  await have(1);
  const { agent, clock } = started[0]!.fake;
  await agent.next('run');
  clock.withhold(10_000);
  agent.log('watchdog: Watchdog detected hard LOCKUP on cpu 1');
  for (let turns = 0; turns < 10; turns++) await setImmediate();
  clock.advance(limits.silence);
  t.is((await result).verdict, 'pass');
  t.regex((await result).problems[0]!, /^it was run once more: crash at first \(.*hard lockup/);
});

test('a stall in a guest that goes on to the next test is the result', async (t) => {
  const script: Script = {
    run: (message, agent) =>
      message.path.endsWith('/a') ? stalls.run!(message, agent) : passes(message, agent),
  };
  const { told, started } = await runAll(t, ['a', 'b'], { guest: () => ({ script }) });
  t.deepEqual(told, ['a begins', 'a: fail', 'b begins', 'b: pass']);
  t.is(started.length, 1);
});

test('a fork that was killed otherwise is not booted', async (t) => {
  const { request, execution, started } = await fakeExecution(t, {
    guest: () => ({ script: { run: (_, agent) => agent.guest.exit({ signal: 'SIGKILL' }) } }),
  });
  await runAlone(request(), execution);
  t.deepEqual(
    started.map(({ how }) => how),
    ['fork'],
  );
});

test('a stall that comes again is the result; there is no third time', async (t) => {
  const { request, execution, started } = await fakeExecution(t, { guest: () => ({ script: stalls }) });
  t.is((await runAlone(request(), execution)).verdict, 'fail');
  t.is(started.length, 2);
});

test('what the template complained of would come again in every fork', async (t) => {
  const { request, execution, started } = await fakeExecution(t, {
    guest: () => ({ script: stalls }),
    template: () => ({ kmsg: '4,9,9,-;rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n' }),
  });
  t.is((await runAlone(request(), execution)).verdict, 'fail');
  t.is(started.length, 1);
});

test('an interruption is thrown, announces nothing, and ends the guest', async (t) => {
  const all = await fakeExecution(t, {
    guest: () => ({
      script: {
        run: (_, agent) => {
          all.abort.abort(interrupted());
          agent.guest.exit({ signal: 'SIGKILL' });
        },
      },
    }),
  });
  const told: string[] = [];
  const running = runInOneGuest([all.request(), all.request({ test: 'b' })], all.execution, {
    begins: ({ test: name }) => void told.push(name),
    ended: () => void told.push('ended'),
  });
  await t.throwsAsync(running, { message: 'interrupted' });
  t.deepEqual(told, ['first']);
  t.true(all.started[0]!.fake.isGone);
});

test('an interruption between two tests begins no other, and ends the guest', async (t) => {
  const all = await fakeExecution(t);
  const begun: string[] = [];
  const running = runInOneGuest([all.request(), all.request({ test: 'b' })], all.execution, {
    begins: ({ test: name }) => void begun.push(name),
    ended: () => all.abort.abort(interrupted()),
  });
  await t.throwsAsync(running, { message: 'interrupted' });
  t.deepEqual(begun, ['first']);
  t.true(all.started[0]!.fake.isGone);
});

for (const [what, first] of [
  ['has no room', (agent: FakeAgent) => agent.guest.exit({ signal: 'SIGBUS' })],
  ['stalls', (agent: FakeAgent, id: number) => stalls.run!({ id } as HostMessageOf<'run'>, agent)],
] as const)
  test(`a fork that ${what} while its kernel settles waits for a place to run once more`, async (t) => {
    const end = Promise.withResolvers<void>();
    const all = await fakeExecution(t, {
      slots: 1,
      guest: (_, index) => ({
        script: {
          run: async (message, agent) => {
            if (index > 1) return passes(message, agent);
            if (index === 1) return end.promise.then(() => passes(message, agent));
            agent.say({ type: 'settling', id: message.id });
            await all.started[1]!.fake.agent.next('run');
            return first(agent, message.id);
          },
        },
      }),
    });
    const results = ['a', 'b'].map((name) => runAlone(all.request({ test: name }), all.execution));
    await all.have(2);
    await all.started[0]!.fake.guest.exited;
    for (let turns = 0; turns < 50; turns++) await setImmediate();
    t.is(all.started.length, 2);
    end.resolve();
    t.deepEqual(
      (await Promise.all(results)).map(({ verdict }) => verdict),
      ['pass', 'pass'],
    );
    t.is(all.started.length, 3);
  });

test('no guest is started before there is a slot for it', async (t) => {
  let most = 0;
  const all = await fakeExecution(t, {
    slots: 1,
    guest: () => {
      most = Math.max(most, all.started.filter(({ fake }) => !fake.isGone).length);
      return {};
    },
  });
  const requests = ['a', 'b', 'c'].map((name) => all.request({ test: name, origin: 'boot' }));
  const results = await Promise.all(requests.map((request) => runAlone(request, all.execution)));
  t.deepEqual(
    results.map(({ verdict }) => verdict),
    ['pass', 'pass', 'pass'],
  );
  t.is(most, 0);
});

test('a script beside the logs boots the machine', async (t) => {
  const { request, execution } = await fakeExecution(t);
  await runAlone(request(), execution);
  const path = join(request().guestDir, 'qemu.sh');
  const script = await readFile(path, 'utf8');
  t.true(script.startsWith('#!/bin/sh\nexec qemu-system-x86_64 '));
  t.true(script.includes(fakeMachine.kernel));
  t.is((await stat(path)).mode & 0o777, 0o755);
});
