// SPDX-License-Identifier: MIT
// While the kernel of a fork settles, its slot is the next guest's; its result waits for the end.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { GuestMessageOf } from '../channel/messages.ts';
import type { Session } from '../channel/session.ts';
import type { Lease, Pool } from '../pool/pool.ts';
import { quietContext } from '../testing/context.ts';
import { runInOneGuest } from './attempt.ts';
import type { TestRequest } from './request.ts';

const load = { elapsed: 0, lost: 0, stopped: 0 };
const begin: GuestMessageOf<'begin'> = { type: 'begin', seq: 2, id: 1, ktap: 0, kmsg: 0, taint: 0 };
const end: GuestMessageOf<'end'> = {
  type: 'end',
  seq: 4,
  id: 1,
  how: 'exit',
  status: 0,
  ktap: 0,
  kmsg: 0,
  taint: 0,
  duration_ms: 1,
  leftovers: 0,
  settled: true,
  ready: false,
  artifacts: 0,
};

/** What happens, in order, when tests run in one guest of a pool that holds no real one. */
async function happens(origin: Lease['origin'], tests: string[], settled = true): Promise<string[]> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-settling-'));
  const events: string[] = [];
  const say = (what: string) => void events.push(what);
  const session = {
    tell: () => {},
    run: async (...[, , onSettling]: Parameters<Session['run']>) => {
      onSettling?.();
      say('end');
      return { begin, end: { ...end, settled }, loss: null, incomplete: false, next: null };
    },
    powerOff: async () => true,
  };
  const rest = { argv: [], bootMs: 1, release: null, startMs: 0, logs: null, hang: null, load, loss: null };
  const lease = { ...rest, origin, guest: null, session, [Symbol.dispose]: () => say('dropped') };
  const turn = {
    leavePlace: () => say('leaves its place'),
    retakePlace: async () => {},
    [Symbol.dispose]: () => say('turn over'),
  };
  const pool = { turn: async () => turn, acquire: async () => lease };
  const requests = tests.map((name) => requestFor(name, origin, dir));
  try {
    await runInOneGuest(
      requests,
      { pool: pool as unknown as Pool, context: quietContext(dir) },
      {
        begins: ({ test: name }) => say(`${name} begins`),
        // It has no output: that is a problem too.
        ended: (_, { verdict, problems }) =>
          say([verdict, ...problems.filter((text) => text.startsWith('RCU'))].join(': ')),
      },
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return events;
}

function requestFor(name: string, origin: Lease['origin'], dir: string): TestRequest {
  const machine = { accelerator: 'tcg', cpu: 'max', memory: 1, cpus: 1, kernel: '', initrd: '', cmdline: '' };
  return {
    job: 'job',
    suite: 'suite',
    test: name,
    program: name,
    args: [],
    machine: machine as TestRequest['machine'],
    origin,
    limit: 60,
    expectSplats: [],
    collect: [],
    runDir: dir,
    guestDir: join(dir, name),
    reproduce: '',
  };
}

test('a fork leaves its place when its processes are gone, and passes at its end', async (t) => {
  const events = await happens('fork', ['a']);
  t.deepEqual(events, ['a begins', 'leaves its place', 'end', 'dropped', 'pass', 'turn over']);
});

test('a guest that has another test to run keeps its place', async (t) => {
  const events = await happens('fork', ['a', 'b']);
  const second = ['b begins', 'leaves its place', 'end', 'dropped', 'pass', 'turn over'];
  t.deepEqual(events, ['a begins', 'end', 'pass', ...second]);
});

test('a booted guest keeps its place until it is powered off', async (t) => {
  const events = await happens('boot', ['a']);
  t.deepEqual(events, ['a begins', 'end', 'dropped', 'pass', 'turn over']);
});

test('a kernel that does not settle is a problem of the test', async (t) => {
  const events = await happens('fork', ['a'], false);
  t.regex(events.at(-2)!, /^pass: RCU callbacks or queued work/);
});
