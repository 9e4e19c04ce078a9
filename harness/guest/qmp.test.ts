// SPDX-License-Identifier: MIT
// The other end is a Unix socket on which the test speaks QEMU's part, line by line.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { KilnError } from '../errors.ts';
import { Qmp } from './qmp.ts';

const greeting = { QMP: { version: { qemu: { micro: 0, minor: 2, major: 7 } }, capabilities: ['oob'] } };

type Command = { execute: string; arguments: unknown; id: number };
type Answer = (command: Command, say: (...messages: unknown[]) => void, socket: Socket) => void;

test('after the greeting the capabilities are settled, then commands are answered', async (t) => {
  const { qmp, heard } = await qemu(t, ({ id, execute }, say) => {
    say({ return: execute === 'query-status' ? { status: 'running' } : {}, id });
  });
  t.deepEqual(await qmp.execute('query-status'), { status: 'running' });
  t.deepEqual(await qmp.execute('human-monitor-command', { 'command-line': 'info ö' }), {});
  t.deepEqual(
    heard.map(({ execute, arguments: args }) => [execute, args]),
    [
      ['qmp_capabilities', {}],
      ['query-status', {}],
      ['human-monitor-command', { 'command-line': 'info ö' }],
    ],
  );
});

test('answers find their commands, in whatever order they come', async (t) => {
  const held: Command[] = [];
  const { qmp } = await qemu(t, (command, say) => {
    if (command.execute === 'qmp_capabilities') say({ return: {}, id: command.id });
    else if (held.push(command) === 3)
      for (const { id, execute } of held.reverse()) say({ return: execute, id });
  });
  t.deepEqual(await Promise.all(['a', 'b', 'c'].map((name) => qmp.execute(name))), ['a', 'b', 'c']);
});

test('a refusal is an error with the words of QEMU', async (t) => {
  const { qmp } = await qemu(t, ({ id, execute }, say) => {
    if (execute === 'bad')
      say({ error: { class: 'CommandNotFound', desc: 'The command bad has not been found' }, id });
    else say({ return: {}, id });
  });
  const error = await t.throwsAsync<KilnError>(qmp.execute('bad'), { instanceOf: KilnError });
  t.is(error.code, 'infrastructure');
  t.is(error.message, 'QEMU: The command bad has not been found');
  t.deepEqual(await qmp.execute('good'), {});
});

test('an event that is still to come is waited for, others pass by', async (t) => {
  const { qmp } = await qemu(t, ({ id, execute }, say) => {
    if (execute === 'migrate') say({ event: 'STOP' }, { event: 'MIGRATION', data: { status: 'completed' } });
    say({ return: {}, id });
  });
  const ended = qmp.event(({ data }) => data?.status === 'completed', 50_000);
  await qmp.execute('migrate');
  t.is((await ended).event, 'MIGRATION');
});

test('an event that does not come, and one that QEMU takes along into its grave, are errors', async (t) => {
  const { qmp } = await qemu(t, ({ id, execute }, say, socket) => {
    if (execute === 'quit') socket.destroy();
    else say({ return: {}, id });
  });
  await t.throwsAsync(
    qmp.event(() => true, 50),
    { instanceOf: KilnError, message: /not done within 50 ms/ },
  );
  const never = t.throwsAsync(
    qmp.event(() => true, 50_000),
    { instanceOf: KilnError, message: /monitor closed/ },
  );
  await qmp.execute('quit').catch(() => {});
  await never;
});

test('events are kept in order, whenever they come, and are no answers', async (t) => {
  const reset = { event: 'RESET', data: { guest: true, reason: 'guest-reset' }, timestamp: { seconds: 1 } };
  const { qmp } = await qemu(t, ({ id, execute }, say) => {
    say({ event: `BEFORE_${execute}` }, { return: {}, id }, reset);
  });
  await qmp.execute('cont');
  await setTimeout(50);
  t.deepEqual(
    qmp.events.map(({ event }) => event),
    ['BEFORE_qmp_capabilities', 'RESET', 'BEFORE_cont', 'RESET'],
  );
  t.deepEqual(qmp.events[1]?.data, reset.data);
});

test('lines may come in pieces, several at once, with CRLF, as those of QEMU do', async (t) => {
  let sent = Promise.resolve();
  const { qmp } = await qemu(t, ({ id }, _say, socket) => {
    const bytes = Buffer.from(`{"event":"STOP"}\r\n{"return": {"text": "köln"}, "id": ${id}}\r\n`);
    for (const byte of bytes)
      sent = sent.then(() => {
        socket.write(Buffer.of(byte));
        return setTimeout(0);
      });
  });
  t.deepEqual(await qmp.execute('x'), { text: 'köln' });
  t.is(qmp.events.length, 2);
});

test('a torn line, an answer to nobody and an error without an id do no harm', async (t) => {
  const { qmp } = await qemu(t, ({ id }, say, socket) => {
    socket.write('{"return":\n\n');
    say({ return: 1, id: 999 }, { error: { desc: 'JSON parse error' } }, { return: {}, id });
  });
  t.deepEqual(await qmp.execute('x'), {});
});

test('a command that is not answered in time is an error; a late answer does no harm', async (t) => {
  const { qmp } = await qemu(t, ({ id, execute }, say) => {
    if (execute !== 'slow') say({ return: execute, id });
    else void setTimeout(300).then(() => say({ return: 'late', id }));
  });
  await qmp.execute('first');
  await t.throwsAsync(qmp.execute('slow', {}, 100), { message: 'QEMU did not answer slow within 100 ms' });
  await setTimeout(300);
  t.is(await qmp.execute('next'), 'next');
});

test('a monitor that does not greet is an error in time', async (t) => {
  const { qmp } = await qemu(t, () => {}, []);
  await t.throwsAsync(qmp.execute('x', {}, 100), { message: /did not come up within 100 ms/ });
});

test('a monitor that closes fails the commands that wait', async (t) => {
  const { qmp } = await qemu(t, ({ id, execute }, say, socket) => {
    if (execute === 'quit') socket.destroy();
    else say({ return: {}, id });
  });
  await qmp.execute('x');
  const both = [qmp.execute('quit'), qmp.execute('other')];
  for (const one of both) await t.throwsAsync(one, { message: "QEMU's monitor closed" });
});

test('a command to a monitor that is closed fails at once', async (t) => {
  const { qmp } = await qemu(t, ({ id, execute }, say, socket) => {
    if (execute === 'quit') socket.destroy();
    else say({ return: {}, id });
  });
  await t.throwsAsync(qmp.execute('quit'));
  // Its time would give another message.
  await t.throwsAsync(qmp.execute('x', {}, 20_000), { message: "QEMU's monitor closed" });
});

test('a monitor nobody asks may close before it greets', async (t) => {
  const { qmp, socket } = await qemu(t, () => {}, []);
  socket.destroy();
  await setTimeout(50);
  t.deepEqual(qmp.events, []);
});

test('a command fails at once if the monitor closes before it greets', async (t) => {
  const { qmp, socket } = await qemu(t, () => {}, []);
  const waiting = qmp.execute('x', {}, 20_000);
  socket.destroy();
  await t.throwsAsync(waiting, { message: "QEMU's monitor closed" });
});

/** A Qmp, connected to a server that greets and then answers commands. */
async function qemu(t: ExecutionContext, answer: Answer, first: unknown[] = [greeting]) {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  const server = createServer();
  server.listen(join(dir, 'qmp'));
  await once(server, 'listening');
  const port = connect(join(dir, 'qmp'));
  const [socket] = (await once(server, 'connection')) as [Socket];
  t.teardown(async () => {
    socket.destroy();
    port.destroy();
    server.close();
    await rm(dir, { recursive: true, force: true });
  });
  const say = (...messages: unknown[]) => {
    for (const message of messages) socket.write(`${JSON.stringify(message)}\r\n`);
  };
  const heard: Command[] = [];
  socket.on('error', () => {});
  createInterface({ input: socket }).on('line', (line) => {
    heard.push(JSON.parse(line));
    answer(heard.at(-1)!, say, socket);
  });
  const qmp = new Qmp(port);
  say(...first);
  return { qmp, heard, socket };
}
