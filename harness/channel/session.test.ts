// SPDX-License-Identifier: MIT
// The agent's part is spoken by testing/fakeGuest.ts; the clock is the test's.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import {
  type FakeAgent,
  FakeGuest,
  type FakeGuestOptions,
  Memory,
  passing,
  type Script,
} from '../testing/fakeGuest.ts';
import { HeldBack, type Program, Session } from './session.ts';
import type { TestLimits } from './testLimit.ts';

const program: Program = { path: '/tests/a/b', args: ['-x'], cwd: '/tests/a', generation: 0, generations: 1 };
const limits: TestLimits = { beginMs: 3000, limitMs: 60_000, graceMs: 5000, silenceMs: 20_000 };

function talk(options: FakeGuestOptions = {}) {
  const fake = new FakeGuest(options);
  const memory = new Memory();
  const session = new Session(fake.guest, memory, options.marks);
  return { fake, agent: fake.agent, clock: fake.clock, memory, session };
}

/** What was written is read by then. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await setImmediate();
}

/** How a test's `run` is answered at once. */
const begins: Script = { run: ({ id }, agent) => agent.begin(id) };

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-session-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test('a hello is heard, also one that came before it was waited for', async (t) => {
  for (const early of [true, false]) {
    const { agent, session } = talk();
    if (early) {
      agent.hello();
      await settled();
    }
    const heard = session.hello(1000);
    if (!early) agent.hello({ boot_ms: 1500 });
    t.is((await heard).message?.boot_ms, 1500);
  }
});

test('an agent of another version of the protocol is not talked to', async (t) => {
  const { agent, session } = talk();
  agent.hello({ protocol: 2 });
  t.deepEqual(await session.hello(1000), {
    loss: { why: 'broken', detail: 'it speaks version 2 of the protocol' },
  });
});

test('who says nothing is silent at the deadline and not before', async (t) => {
  const { clock, session } = talk();
  let isOver = false;
  const heard = session.hello(120_000).finally(() => {
    isOver = true;
  });
  clock.advance(119_900);
  await settled();
  t.false(isOver);
  clock.advance(100);
  t.deepEqual(await heard, {
    loss: { why: 'silent', detail: 'no answer within 120 s, last heard 120 s ago' },
  });
});

test('time that the host keeps from QEMU counts against no deadline', async (t) => {
  const { agent, clock, session } = talk();
  const heard = session.hello(10_000);
  clock.withhold(60_000);
  await settled();
  clock.advance(9000);
  await settled();
  agent.hello();
  t.is((await heard).message?.type, 'hello');
});

test('every message of the host has the next number, and every request an id of its own', async (t) => {
  const { agent, session } = talk();
  await session.setup(1000);
  await session.ping(1000);
  await session.shell(1000);
  t.deepEqual(
    agent.heard.map(({ seq, type }) => [seq, type]),
    [
      [1, 'setup'],
      [2, 'ping'],
      [3, 'shell'],
    ],
  );
  t.deepEqual(
    agent.heard.map((message) => 'id' in message && message.id),
    [1, 2, 3],
  );
});

test('setup gives the time of day in nanoseconds and 64 bytes of entropy, new ones each time', async (t) => {
  const { agent, session } = talk();
  const before = BigInt(Date.now()) * 1_000_000n;
  await session.setup(1000);
  await session.setup(1000);
  const [first, second] = agent.heard.filter((message) => message.type === 'setup');
  t.true(BigInt(first!.time_ns) >= before);
  t.true(BigInt(first!.time_ns) <= BigInt(Date.now()) * 1_000_000n);
  t.regex(first!.entropy, /^[0-9a-f]{128}$/);
  t.not(first!.entropy, second!.entropy);
});

test('an answer to another request is no answer', async (t) => {
  const { agent, clock, session } = talk({
    script: {
      ping: ({ id }, one) => one.say({ type: 'pong', id: id + 1, uptime_ms: 1 }),
      setup: ({ id }, one) => one.say({ type: 'ready', id: id + 1 }),
    },
  });
  for (const ask of ['ping', 'setup'] as const) {
    const heard = session[ask](1000);
    await agent.next(ask);
    await settled();
    clock.advance(1000);
    t.is((await heard).loss?.why, 'silent');
  }
});

test('a gap in the numbers breaks the channel for everybody who waits, and for good', async (t) => {
  const { fake, session } = talk({ script: { ping: () => {} } });
  const both = [session.ping(1000), session.hello(1000)];
  fake.agent.ends.control.write('{"type":"bye","seq":2}\n');
  for (const { loss } of await Promise.all(both))
    t.deepEqual(loss, { why: 'broken', detail: 'it sent message 2 where 1 was due' });
  fake.agent.hello();
  fake.exit({ code: 0 });
  await fake.guest.exited;
  t.is((await session.hello(1000)).loss?.why, 'broken');
});

test('the end of QEMU ends every wait with how it ended', async (t) => {
  const { fake, session } = talk({ script: { ping: () => {} } });
  const heard = session.ping(1000);
  fake.exit({ code: 1, stderr: 'qemu: no' });
  const exit = { code: 1, signal: null, stderr: 'qemu: no', events: [] };
  t.deepEqual(await heard, { loss: { why: 'exited', exit } });
  t.deepEqual(await session.setup(1000), { loss: { why: 'exited', exit } });
});

test('a test is asked for with a limit ten times as long as its own, and its end comes with its output', async (t) => {
  const { agent, memory, session } = talk();
  const run = await session.run(program, limits);
  t.like(agent.heard[0], { type: 'run', ...program, timeout_ms: 600_000 });
  t.like(run.end, { how: 'exit', status: 0 });
  t.like(run.begin, { ktap: 0, kmsg: 1 });
  t.deepEqual([run.loss, run.incomplete, run.next], [null, false, null]);
  t.is(memory.said.output, 'KTAP version 1\n1..1\nok 1 works\n');
  t.deepEqual(
    memory.records.map(({ text }) => text.replace(/\d+/, 'N')),
    ['kiln-agent: test N begins', 'kiln-agent: test N is over'],
  );
});

test('a program is run to kiln_ready(), and all that it has said until then has come', async (t) => {
  const { agent, memory, session } = talk({
    script: {
      prepare: ({ id }, one) => {
        one.begin(id);
        one.output('# set up\n');
        one.waits(id);
      },
    },
  });
  t.is(await session.prepare(program, limits), null);
  t.like(agent.heard[0], { type: 'prepare', ...program, timeout_ms: 600_000 });
  t.is(memory.said.output, '# set up\n');
});

test('a program that ends before kiln_ready() has its end; one that never comes there is killed', async (t) => {
  const early = talk({
    script: {
      prepare: ({ id }, one) => {
        one.begin(id);
        one.end(id, { status: 3 });
      },
    },
  });
  t.like(await early.session.prepare(program, limits), { end: { how: 'exit', status: 3 } });
  const late = talk({
    script: {
      prepare: ({ id }, one) => {
        one.running = id;
        one.begin(id);
      },
    },
  });
  const run = late.session.prepare(program, { ...limits, silenceMs: 1_000_000 });
  await late.agent.next('prepare');
  await settled();
  late.clock.advance(60_000);
  t.like((await run)?.end, { how: 'timeout' });
});

test('a program goes on from kiln_ready() as a test of its own', async (t) => {
  const { agent, memory, session } = talk({
    script: {
      proceed: ({ id }, one) => {
        one.begin(id, { ktap: 0, kmsg: 4 });
        one.output(passing);
        one.end(id);
      },
    },
    marks: { guestSeq: 7, hostSeq: 3, id: 2, outputBytes: 9, nextRecord: 6 },
  });
  const run = await session.proceed(['-r', 'one'], limits);
  t.like(agent.heard[0], { type: 'proceed', id: 3, args: ['-r', 'one'], timeout_ms: 600_000 });
  t.like(run, { begin: { ktap: 0, kmsg: 4 }, end: { how: 'exit', status: 0 }, incomplete: false });
  t.is(memory.said.output, passing);
});

test('a program that waits though it was not asked to breaks the protocol', async (t) => {
  const { session } = talk({ script: { run: ({ id }, one) => one.waits(id) } });
  t.deepEqual((await session.run(program, limits)).loss, { why: 'broken', detail: 'it waits for nothing' });
});

for (const port of ['ktap', 'kmsg'] as const)
  test(`the end waits for what it announced on the ${port} port`, async (t) => {
    const { agent, clock, session } = talk({
      script: {
        run: ({ id }, one) => {
          one.begin(id);
          one.end(id, { [port]: port === 'ktap' ? 5 : 3 });
        },
      },
    });
    let isOver = false;
    const run = session.run(program, limits).finally(() => {
      isOver = true;
    });
    await agent.next('run');
    await settled();
    clock.advance(14_000);
    await settled();
    t.false(isOver);
    if (port === 'ktap') agent.output('late\n');
    else agent.log('late');
    t.false((await run).incomplete);
  });

test('what was announced and does not come within 15 s that QEMU had is missing', async (t) => {
  const { agent, clock, session } = talk({
    script: { run: ({ id }, one) => one.end(id, { ktap: 5 }) },
  });
  let isOver = false;
  const run = session.run(program, limits).finally(() => {
    isOver = true;
  });
  await agent.next('run');
  await settled();
  clock.withhold(100_000);
  clock.advance(14_000);
  await settled();
  t.false(isOver);
  clock.advance(1000);
  await settled();
  t.true(isOver);
  const { incomplete, end } = await run;
  t.true(incomplete);
  t.is(end?.how, 'exit');
});

test('a test that is not done at its limit is killed, and its end is a timeout', async (t) => {
  const { agent, clock, session } = talk({ script: begins });
  const run = session.run(program, limits);
  await agent.next('run');
  await settled();
  for (let seconds = 0; seconds < 59; seconds++) {
    clock.advance(1000);
    agent.say({ type: 'alive', uptime_ms: seconds });
    await settled();
  }
  t.false(agent.has('kill'));
  clock.advance(1000);
  await agent.next('kill');
  t.is((await run).end?.how, 'timeout');
  t.is(agent.heard.filter(({ type }) => type === 'kill').length, 1);
});

test('a test that somebody else has killed was not at its limit', async (t) => {
  const { agent, session } = talk({ script: begins });
  const run = session.run(program, limits);
  const { id } = await agent.next('run');
  agent.end(id, { how: 'killed' });
  t.is((await run).end?.how, 'killed');
});

test('a guest that does not begin the test is lost, and its end is not asked for', async (t) => {
  const { agent, clock, session } = talk({ script: { run: () => {} } });
  const run = session.run(program, limits);
  await agent.next('run');
  clock.advance(3000);
  const { loss, begin } = await run;
  t.deepEqual(loss, { why: 'silent', detail: 'no answer within 3 s, last heard 3 s ago' });
  t.is(begin, null);
  t.false(agent.has('kill'));
});

test('a guest without a sign of life is lost long before its limit; one that lives is not', async (t) => {
  const { agent, clock, session } = talk({ script: begins });
  const run = session.run(program, limits);
  await agent.next('run');
  await settled();
  clock.advance(19_000);
  agent.say({ type: 'alive', uptime_ms: 19_000 });
  await settled();
  clock.advance(19_000);
  await settled();
  agent.say({ type: 'alive', uptime_ms: 38_000 });
  await settled();
  clock.advance(20_000);
  const { loss, begin } = await run;
  t.deepEqual(loss, { why: 'silent', detail: 'no answer within 58 s, last heard 20 s ago' });
  t.is(begin?.type, 'begin');
});

test('a test that does not end though it was killed loses its guest', async (t) => {
  const { agent, clock, session } = talk({
    script: { ...begins, kill: ({ id }, one) => one.say({ type: 'ready', id }) },
  });
  const run = session.run(program, { ...limits, silenceMs: 1_000_000 });
  await agent.next('run');
  await settled();
  clock.advance(60_000);
  await agent.next('kill');
  await settled();
  clock.advance(5000);
  t.is((await run).loss?.why, 'silent');
});

test('an agent that can not run the test breaks off', async (t) => {
  const { session } = talk({
    script: { run: ({ id }, agent) => agent.say({ type: 'error', id, message: 'a test is running' }) },
  });
  t.deepEqual((await session.run(program, limits)).loss, { why: 'broken', detail: 'a test is running' });
});

test('what a test prints goes to who listens now', async (t) => {
  const { agent, memory, session } = talk();
  const [held, other] = [new HeldBack(), new Memory()];
  agent.console('one ');
  await settled();
  session.tell(held);
  agent.console('two ');
  agent.output('three ');
  agent.log('four');
  await settled();
  session.tell(other);
  agent.console('five');
  await settled();
  t.is(memory.said.console, 'one ');
  t.is(other.said.console, 'five');
  held.release(memory);
  t.deepEqual(memory.said, { console: 'one two ', output: 'three ' });
  t.deepEqual(
    memory.records.map(({ text }) => text),
    ['four'],
  );
});

test('where a test may go on, the hello of the next kernel ends its run on this one', async (t) => {
  const script: Script = {
    run: ({ id }, agent) => {
      agent.begin(id);
      agent.hello({ generation: 1 });
    },
  };
  const { session } = talk({ script });
  const run = await session.run({ ...program, generations: 2 }, limits);
  t.like(run, { loss: null, end: null, next: { type: 'hello', generation: 1 } });
  const alone = await talk({ script }).session.run(program, limits);
  t.is(alone.loss?.why, 'broken');
});

test('the hello of a kernel beyond the next does not end the run', async (t) => {
  const script: Script = {
    run: ({ id }, agent) => {
      agent.begin(id);
      agent.hello({ generation: 2 });
    },
  };
  const { agent, clock, session } = talk({ script });
  const run = session.run({ ...program, generations: 3 }, limits);
  await agent.next('run');
  await settled();
  clock.advance(20_000);
  t.like(await run, { loss: { why: 'silent' }, next: null });
});

test('the kernel’s settling is told while the test still runs', async (t) => {
  const { agent, session } = talk({ script: begins });
  let told = 0;
  const run = session.run(program, limits, () => told++);
  const { id } = await agent.next('run');
  agent.say({ type: 'settling', id: id + 1 });
  await settled();
  t.is(told, 0);
  agent.say({ type: 'settling', id });
  await settled();
  t.is(told, 1);
  agent.end(id);
  t.is((await run).end?.how, 'exit');
});

/** A guest whose test asks for the next kernel, and how that one comes. */
async function atItsEnd(leave: NonNullable<Script['leave']>) {
  const all = talk({
    script: {
      leave,
      run: ({ id }, agent) => {
        agent.begin(id);
        agent.output('first kernel\n');
        agent.end(id, { how: 'kexec', status: 1 });
      },
    },
  });
  await all.session.setup(1000);
  const run = await all.session.run({ ...program, generations: 2 }, limits);
  return { ...all, run };
}

test('on the next kernel all counts begin anew', async (t) => {
  const { agent, session, run } = await atItsEnd((_, one) => one.hello({ generation: 1 }));
  t.like(run.end, { how: 'kexec', status: 1 });
  t.is((await session.follow(null, 1000)).message?.generation, 1);
  t.like(session.marks(), { guestSeq: 1, hostSeq: 0, outputBytes: 0, nextRecord: 0 });
  t.truthy((await session.setup(1000)).message);
  t.is(agent.heard.at(-1)?.seq, 1);
  agent.log('the second kernel');
  await settled();
  t.is(session.marks().nextRecord, 1);
});

test('a kernel that was reached already is not left for once more', async (t) => {
  const { agent, session } = talk({
    script: { run: (_, one) => one.hello({ generation: 1 }) },
  });
  const { next } = await session.run({ ...program, generations: 2 }, limits);
  t.is((await session.follow(next, 1000)).message?.generation, 1);
  t.false(agent.has('leave'));
});

test('a kernel that does not leave says why, one that does not come is silent', async (t) => {
  const refuses = await atItsEnd(({ id }, agent) => agent.say({ type: 'error', id, message: 'none loaded' }));
  t.deepEqual((await refuses.session.follow(null, 1000)).loss, { why: 'refused', detail: 'none loaded' });
  const dies = await atItsEnd(() => {});
  const left = dies.session.follow(null, 1000);
  await dies.agent.next('leave');
  dies.clock.advance(1000);
  t.is((await left).loss?.why, 'silent');
});

test('files are fetched into a directory, time after time', async (t) => {
  const dir = await scratch(t);
  let count = 0;
  const { agent, session } = talk({
    script: { get: ({ id }, one) => one.files(id, { 'a.txt': `${++count}`, 'sub/b.txt': 'b' }) },
  });
  for (const into of ['1', '2', '3']) {
    const fetched = await session.fetch('/run/artifacts', join(dir, into), 4096, 1000);
    t.deepEqual(fetched, { files: ['a.txt', 'sub/b.txt'], problem: null });
    t.is(await readFile(join(dir, into, 'a.txt'), 'utf8'), into);
  }
  t.like(agent.heard[0], { type: 'get', dir: '/run/artifacts', limit: 4096 });
});

test('files that the guest left behind are a problem', async (t) => {
  const { session } = talk({ script: { get: ({ id }, agent) => agent.files(id, { a: 'a' }, true) } });
  const { files, problem } = await session.fetch('/x', await scratch(t), 4096, 1000);
  t.deepEqual(files, ['a']);
  t.is(problem, 'files were left behind: more than 4096 bytes, too deep, or named too long');
});

test('a guest that is lost while its files are fetched is a problem', async (t) => {
  const { session, fake } = talk({ script: { get: () => fake.exit({ code: 0 }) } });
  const { files, problem } = await session.fetch('/x', await scratch(t), 4096, 1000);
  t.deepEqual([files, problem], [[], 'the guest was lost while its files were fetched']);
});

test('files are waited for by the clock of the guest', async (t) => {
  t.timeout(20_000);
  const { agent, clock, session } = talk({
    script: { get: ({ id }, one) => one.say({ type: 'got', id, bytes: 1024, truncated: false }) },
  });
  let isOver = false;
  const fetched = session.fetch('/x', await scratch(t), 4096, 30_000).finally(() => {
    isOver = true;
  });
  await agent.next('get');
  await settled();
  clock.withhold(60_000);
  clock.advance(29_000);
  await settled();
  t.false(isOver);
  clock.advance(1000);
  t.is((await fetched).problem, 'the files did not come in time');
});

test('an archive is announced with its length and sent on the files port', async (t) => {
  const { agent, session } = talk();
  const archive = Buffer.from('an archive');
  t.is(await session.send(archive, '/run/next', 1000), null);
  t.like(agent.heard[0], { type: 'put', dir: '/run/next', bytes: 10 });
  t.deepEqual(agent.ends.files.read(), archive);
});

test('what the guest can not do it says, and a guest that is gone does nothing', async (t) => {
  const fails = (message: string) => (one: { id: number }, agent: FakeAgent) =>
    agent.say({ type: 'error', id: one.id, message });
  const { fake, session } = talk({
    script: { put: fails('no room'), window: fails('no window'), shell: fails('no shell') },
  });
  const ask = () =>
    Promise.all([
      session.send(Buffer.alloc(1), '/x', 1000),
      session.window({ rows: 1, columns: 1 }, 1000),
      session.shell(1000),
    ]);
  t.deepEqual(await ask(), ['no room', 'no window', 'no shell']);
  fake.exit({ code: 0 });
  await fake.guest.exited;
  t.deepEqual(await ask(), [
    'the guest was lost while files were sent',
    'the guest is gone',
    'the guest is gone',
  ]);
});

test('a guest that powers off is gone; one that does not is waited for until the deadline', async (t) => {
  const { session } = talk();
  t.true(await session.powerOff(30_000));
  const stays = talk({ script: { poweroff: (_, agent) => agent.say({ type: 'bye' }) } });
  let isOver = false;
  const off = stays.session.powerOff(30_000).finally(() => {
    isOver = true;
  });
  await stays.agent.next('poweroff');
  stays.clock.advance(29_000);
  await settled();
  t.false(isOver);
  stays.clock.advance(1000);
  t.false(await off);
});

test('a fork goes on where its template stood still', async (t) => {
  const template = talk();
  template.agent.hello();
  await template.session.hello(1000);
  await template.session.ping(1000);
  template.agent.output('12345');
  template.agent.log('booted');
  await settled();
  const marks = template.session.marks();
  t.deepEqual(marks, { guestSeq: 2, hostSeq: 1, id: 1, outputBytes: 5, nextRecord: 1 });
  const { agent, session } = talk({ marks });
  t.truthy((await session.setup(1000)).message);
  t.like(agent.heard[0], { seq: 2, id: 2 });
  const { begin, end, incomplete } = await session.run(program, limits);
  t.like(begin, { ktap: 5, kmsg: 2 });
  t.like(end, { ktap: 36, kmsg: 3 });
  t.false(incomplete);
});

test('arguments too long for a message are the fault of who gave them', async (t) => {
  const { agent, session } = talk();
  const long = { ...program, args: ['x'.repeat(70_000)] };
  await t.throwsAsync(session.run(long, limits), { message: /too long/ });
  await session.ping(1000);
  t.is(agent.heard[0]?.seq, 1);
});
