// SPDX-License-Identifier: MIT
// Guests are fakes (testing/fakeGuest.ts): what a test's guest says and does → its result.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { TestResult } from '../schema.ts';
import { fakeExecution } from '../testing/fakeExecution.ts';
import { type FakeGuestOptions, passing, type Script, warns } from '../testing/fakeGuest.ts';
import { runAlone } from './attempt.ts';
import type { TestRequest } from './request.ts';

async function settled(): Promise<void> {
  for (let turns = 0; turns < 10; turns++) await setImmediate();
}

/** Run one test in a guest like this. */
async function run(t: ExecutionContext, guest: FakeGuestOptions, more: Partial<TestRequest> = {}) {
  const all = await fakeExecution(t, { guest: () => guest });
  const result = runAlone(all.request({ origin: 'boot', ...more }), all.execution);
  await all.have(1);
  return { ...all, result, fake: all.started[0]!.fake };
}

const begins: Script = { run: ({ id }, agent) => agent.begin(id) };

test('a test that passes has the facts of its guest, and paths below the directory of the run', async (t) => {
  const { result, runDir } = await run(t, {});
  const { guest, time, ...rest } = await result;
  t.like(rest, {
    ...{ suite: 'demo', test: 'first', job: 'job-1', verdict: 'pass', detail: '', boot_ms: 1500 },
    ...{ duration_ms: 10, splats: [], problems: [], artifacts: [], reproduce: null },
  });
  t.deepEqual(rest.cases, [{ name: 'works', verdict: 'pass', detail: '' }]);
  t.like(time, { limit_ms: 60_000, scale: 1 });
  t.like(guest, { origin: 'boot', memory: 512, cpus: 2, output: 'guests/demo/first/output.log' });
  t.is(await readFile(join(runDir, guest!.output), 'utf8'), passing);
});

test('the program is one of the image, with its arguments, in its directory', async (t) => {
  const { result, fake } = await run(t, {}, { program: 'races', args: ['-r', 'x'] });
  await result;
  const asked = fake.agent.heard.find(({ type }) => type === 'run');
  t.like(asked, { path: '/tests/demo/races', cwd: '/tests/demo', args: ['-r', 'x'], generations: 1 });
});

/** A guest whose boot took so long, and whose test is not done at its limit. */
async function timedOut(
  t: ExecutionContext,
  bootMs: number,
  more: Partial<TestRequest>,
): Promise<TestResult> {
  const all = await fakeExecution(t, { guest: () => ({ script: begins, isMute: true }) });
  const result = runAlone(all.request({ origin: 'boot', ...more }), all.execution);
  await all.have(1);
  const { agent, clock } = all.started[0]!.fake;
  agent.hello({ boot_ms: bootMs });
  await agent.next('run');
  await settled();
  while (!agent.has('kill')) {
    clock.advance(10_000);
    agent.say({ type: 'alive', uptime_ms: 1 });
    await settled();
  }
  return result;
}

test('a test that is not done at its limit is ended, and can be run again', async (t) => {
  const { verdict, detail, tempo, reproduce } = await timedOut(t, 1500, {});
  t.deepEqual([verdict, detail, tempo], ['timeout', 'not done within 60 s', 'timed-out']);
  t.is(reproduce, 'kiln test demo/first');
});

test('a guest that booted slowly is given more, unless the limit was given by hand', async (t) => {
  const slow = await timedOut(t, 8000, {});
  t.is(slow.detail, 'not done within 240 s (60 s, and 4 times as much in a guest as slow as this)');
  t.like(slow.time, { limit_ms: 240_000, scale: 4 });
  const fixed = await timedOut(t, 8000, { fixedLimit: 30 });
  t.is(fixed.detail, 'not done within 30 s');
  t.like(fixed.time, { limit_ms: 30_000, scale: 1 });
});

test('the time that the host kept from the guest is in the result', async (t) => {
  const { result, fake } = await run(t, { script: begins });
  await fake.agent.next('run');
  await settled();
  fake.clock.advance(2000);
  fake.clock.withhold(4000);
  fake.agent.output(passing);
  fake.agent.end(fake.agent.running);
  t.like((await result).time, { elapsed_ms: 6000, lost_ms: 4000, stopped_ms: 0 });
});

test('a splat fails the test that says all is well, unless its settings declare it', async (t) => {
  const { result } = await run(t, { script: warns });
  const { verdict, splats } = await result;
  t.is(verdict, 'fail');
  t.like(splats[0], { kind: 'warning', phase: 'test', expected: false });
  const declared = await (await run(t, { script: warns }, { expectSplats: [/do_open/] })).result;
  t.is(declared.verdict, 'pass');
  t.true(declared.splats[0]?.expected);
});

test('processes that outlived the test are a problem', async (t) => {
  const { result } = await run(t, {
    script: {
      run: ({ id }, agent) => {
        agent.begin(id);
        agent.output(passing);
        agent.end(id, { leftovers: 3 });
      },
    },
  });
  t.deepEqual((await result).problems, ['the agent killed 3 processes that outlived the test']);
});

test('artifacts are fetched when the agent counts some; what else is collected is fetched always', async (t) => {
  const gcov = { dir: '/sys/kernel/debug/gcov', into: 'gcov', limit: 1000 };
  for (const artifacts of [0, 2]) {
    const { result, runDir, fake, request } = await run(
      t,
      {
        script: {
          run: ({ id }, agent) => {
            agent.begin(id);
            agent.output(passing);
            agent.end(id, { artifacts });
          },
          get: ({ id, dir }, agent) => agent.files(id, { [dir.includes('gcov') ? 'data' : 'core']: 'x' }),
        },
      },
      { collect: [{ dir: '/run/artifacts', into: 'artifacts', limit: 2000 }, gcov] },
    );
    const base = 'guests/demo/first';
    const { artifacts: files } = await result;
    t.deepEqual(files, [...(artifacts ? [`${base}/artifacts/core`] : []), `${base}/gcov/data`]);
    t.is(await readFile(join(request().guestDir, 'gcov', 'data'), 'utf8'), 'x');
    t.is(files[0]?.startsWith(runDir), false);
    const asked = fake.agent.heard.filter((message) => message.type === 'get');
    t.deepEqual(
      asked.map(({ dir, limit }) => [dir, limit]),
      [...(artifacts ? [['/run/artifacts', 2000]] : []), [gcov.dir, 1000]],
    );
  }
});

test('files that could not be fetched whole are a problem', async (t) => {
  const { result } = await run(
    t,
    { script: { get: ({ id }, agent) => agent.files(id, { data: 'x' }, true) } },
    { collect: [{ dir: '/sys/kernel/debug/gcov', into: 'gcov', limit: 1000 }] },
  );
  t.regex((await result).problems.join(), /^files were left behind: more than 1000 bytes/);
});

test('a guest that was booted is powered off, and fails the test if it stays on; a fork is dropped', async (t) => {
  const booted = await run(t, {});
  t.is((await booted.result).verdict, 'pass');
  t.true(booted.fake.agent.has('poweroff'));
  const stays = await run(t, { script: { poweroff: () => {} } });
  await stays.fake.agent.next('poweroff');
  stays.fake.clock.advance(30_000);
  t.like(await stays.result, { verdict: 'fail', detail: 'the guest did not power off after the test' });
  const fork = await run(t, {}, { origin: 'fork' });
  t.like(await fork.result, { verdict: 'pass', boot_ms: 1400 });
  t.false(fork.fake.agent.has('poweroff'));
  t.true(fork.fake.isGone);
});

test('what the kernel says while it powers off counts', async (t) => {
  const { result } = await run(t, {
    script: {
      poweroff: (_, agent) => {
        agent.console('kiln-agent: powering off\n');
        agent.console('WARNING: CPU: 0 PID: 1 at mm/slab.c:1 shut_down+0x1/0x2\n');
        agent.guest.exit({ code: 0 });
      },
    },
  });
  const { verdict, splats } = await result;
  t.is(verdict, 'fail');
  t.is(splats[0]?.phase, 'shutdown');
});

test('a kernel that panics under the test is a crash, with what only the console had time to say', async (t) => {
  const { result } = await run(t, {
    script: {
      run: ({ id }, agent) => {
        agent.begin(id);
        agent.console('Kernel panic - not syncing: out of ideas\n');
        agent.guest.exit({ code: 0 }, [{ event: 'GUEST_PANICKED' }]);
      },
    },
  });
  const { verdict, tempo, splats, detail } = await result;
  t.deepEqual([verdict, tempo, splats[0]?.kind], ['crash', 'dead', 'panic']);
  t.regex(detail, /^the kernel died during the test: .*out of ideas/);
});

test('the last words of an agent that gave up are a problem of the test', async (t) => {
  const { result } = await run(t, {
    script: {
      run: (_, agent) => {
        agent.console('kiln-agent: fatal: no descriptors left\n');
        agent.guest.exit({ code: 0 }, [{ event: 'SHUTDOWN', data: { reason: 'guest-reset' } }]);
      },
    },
  });
  t.deepEqual((await result).problems.at(-1), 'the agent in the guest gave up: no descriptors left');
});

const registers = 'CPU#0\nRIP=ffffffff81000010 RFL=00000246 CPL=3 HLT=0 RSP=ffffc90000000000\n';

test('a guest that falls silent is asked why before it is ended', async (t) => {
  const { result, fake, request } = await run(t, {
    script: begins,
    monitor: {
      'human-monitor-command': () => registers,
      'chardev-send-break': () => {
        throw new Error('no such device');
      },
    },
  });
  await fake.agent.next('run');
  await settled();
  fake.clock.advance(30_000);
  const { verdict, tempo, problems, guest } = await result;
  t.deepEqual([verdict, tempo], ['timeout', 'hung']);
  t.deepEqual(problems.slice(-1), ['it hung: CPU 0: running, in a process, at 0xffffffff81000010']);
  t.is(guest?.hang, 'guests/demo/first/hang.txt');
  t.regex(await readFile(join(request().guestDir, 'hang.txt'), 'utf8'), /== Registers/);
  t.true(fake.isGone);
});

test('a guest that is silent because QEMU does not run it is an infrastructure error', async (t) => {
  const { result, fake } = await run(t, {
    script: begins,
    monitor: { 'query-status': () => ({ status: 'paused' }) },
  });
  await fake.agent.next('run');
  await settled();
  fake.clock.advance(30_000);
  t.like(await result, {
    verdict: 'error',
    detail: 'the guest was silent during the test: QEMU does not run the guest: paused',
  });
});

/** A test of several kernels in a fork; each is run as the script has it. */
async function kexec(
  t: ExecutionContext,
  script: Script,
  {
    generations = 2,
    sent = 1,
    monitor = {},
  }: { generations?: number; sent?: number; monitor?: FakeGuestOptions['monitor'] } = {},
) {
  const all = await fakeExecution(t, { guest: () => ({ script, monitor }) });
  const files = ['bzImage', 'initramfs.cpio'].map((name) => join(all.context.cache, name));
  for (const file of files) await writeFile(file, 'boot me');
  const next = () => ({ kernel: files[0]!, initramfs: files[1]! });
  const request = all.request({ kexec: { generations, next, sent } });
  const result = runAlone(request, all.execution);
  await all.have(1);
  return { ...all, result, fake: all.started[0]!.fake, guestDir: request.guestDir };
}

/** Runs on each kernel, and asks for the next one until the last. */
function travels(last: number, how: 'kexec' | 'reboot' = 'kexec'): Script {
  return {
    run: ({ id, generation }, agent) => {
      agent.begin(id);
      agent.output(`KTAP version 1\n1..1\nok 1 kernel_${generation}\n`);
      // A kernel that is left has not settled.
      agent.end(id, generation < last ? { how, status: generation + 1, settled: false } : {});
    },
    leave: (_, agent) => {
      agent.output('printed on the way out\n');
      const generation = agent.heard.filter(({ type }) => type === 'leave').length;
      agent.hello({ generation, release: `6.12.${generation}`, boot_ms: 900 });
    },
  };
}

test('a test goes from kernel to kernel, and each has logs and a result of its own', async (t) => {
  const { result, fake, guestDir } = await kexec(t, travels(2), { generations: 3, sent: 1 });
  const { verdict, cases, generations, problems } = await result;
  t.is(verdict, 'pass');
  t.deepEqual(problems, []);
  t.deepEqual(
    cases.map(({ name }) => name),
    ['generation 0 > kernel_0', 'generation 1 > kernel_1', 'generation 2 > kernel_2'],
  );
  t.deepEqual(
    generations?.map(({ generation, by, release, boot_ms }) => [generation, by, release, boot_ms]),
    [
      [0, 'boot', '6.12.0-template', 1400],
      [1, 'kexec', '6.12.1', 900],
      [2, 'kexec', '6.12.2', 900],
    ],
  );
  t.is(typeof generations![1]!.blackout_ms, 'number');
  t.deepEqual(
    fake.agent.heard.map(({ type }) => type),
    ['setup', 'put', 'put', 'run', 'leave', 'setup', 'run', 'leave', 'setup', 'run'],
  );
  t.is(
    await readFile(join(guestDir, 'generation-1', 'output.log'), 'utf8'),
    'KTAP version 1\n1..1\nok 1 kernel_1\n',
  );
});

test('a kernel that can not be sent is a problem, and the test is run', async (t) => {
  const { result } = await kexec(t, {
    ...travels(1),
    put: ({ id }, agent) => agent.say({ type: 'error', id, message: 'no room' }),
  });
  const { problems, verdict } = await result;
  t.is(verdict, 'pass');
  t.deepEqual(problems, ['generation 0: the next kernel could not be sent: no room']);
});

test('a next kernel that says nothing hung during its boot', async (t) => {
  const { result, fake } = await kexec(
    t,
    { ...travels(1), leave: () => {} },
    {
      monitor: {
        stop: () => {
          throw new Error('no');
        },
      },
    },
  );
  await fake.agent.next('leave');
  await settled();
  fake.clock.advance(120_000);
  const { verdict, detail, generations } = await result;
  t.is(verdict, 'timeout');
  t.regex(detail, /^generation 1: the guest hung during boot/);
  t.like(generations?.[1], { boot_ms: null, blackout_ms: null, release: null });
});

test('a kernel that refuses to leave fails the test', async (t) => {
  const { result } = await kexec(t, {
    ...travels(1),
    leave: ({ id }, agent) => agent.say({ type: 'error', id, message: 'none loaded' }),
  });
  t.like(await result, {
    verdict: 'fail',
    detail: 'generation 1: the kernel did not leave for the next one: none loaded',
  });
});

test('a panic into the crash kernel leads to the next generation, and is no failure', async (t) => {
  const { result, fake } = await kexec(t, {
    run: ({ id, generation }, agent) => {
      agent.begin(id);
      agent.output(passing);
      if (generation === 1) return agent.end(id);
      agent.log('Kernel panic - not syncing: sysrq triggered crash');
      return agent.hello({ generation: 1 });
    },
  });
  const { verdict, generations } = await result;
  t.is(verdict, 'pass');
  t.like(generations?.[1], { by: 'panic', blackout_ms: null });
  t.false(fake.agent.has('leave'));
});

test('a reset of the machine is allowed for the way to the next kernel only', async (t) => {
  const actions: unknown[] = [];
  const { result } = await kexec(t, travels(1, 'reboot'), {
    monitor: { 'set-action': ({ reboot }) => void actions.push(reboot) },
  });
  t.is((await result).generations?.[1]?.by, 'reboot');
  t.deepEqual(actions, ['reset', 'shutdown']);
});

test('a test that asks for another kernel than the next goes nowhere', async (t) => {
  const { result, fake } = await kexec(
    t,
    {
      run: ({ id }, agent) => {
        agent.begin(id);
        agent.output(passing);
        agent.end(id, { how: 'kexec', status: 2 });
      },
    },
    { generations: 3 },
  );
  t.is((await result).verdict, 'fail');
  t.false(fake.agent.has('leave'));
});
