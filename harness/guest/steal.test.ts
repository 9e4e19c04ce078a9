// SPDX-License-Identifier: MIT
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { missingShare, parseSteal, processOf, StealClock, since, type Watched } from './steal.ts';

/** A process whose threads' waits, and a clock, that a test sets. */
function example() {
  const state = {
    now: 0,
    waits: {} as Record<string, number>,
    stolen: {} as Record<string, number>,
    stopped: false,
  };
  const watched: Watched = {
    waits: () => new Map(Object.entries(state.waits)),
    stolen: () => new Map(Object.entries(state.stolen)),
    isStopped: () => state.stopped,
  };
  return { state, clock: new StealClock(watched, () => state.now) };
}

test('on an idle host all time is the process’s own', (t) => {
  const { state, clock } = example();
  for (let i = 0; i < 5; i++) {
    state.now += 500;
    t.is(clock.own(), state.now);
  }
  t.deepEqual(clock.load(), { elapsed: 2500, steal: 0, stopped: 0 });
});

test('what was lost stays lost when the process is gone', (t) => {
  const { state, clock } = example();
  state.waits = { a: 0 };
  clock.load();
  state.now = 1000;
  state.waits = { a: 400 };
  const before = clock.load();
  t.is(before.steal, 400);
  state.now = 1200;
  state.waits = {};
  t.deepEqual(since(before, clock.load()), { elapsed: 200, steal: 0, stopped: 0 });
});

test('the longest wait of any thread is lost', (t) => {
  const { state, clock } = example();
  state.waits = { a: 1000, b: 70 }; // those are threads that were not there before
  state.now = 500;
  t.is(clock.own(), 500);
  state.waits = { a: 1100, b: 470 };
  state.now = 1000;
  t.is(clock.own(), 600);
  state.waits = { a: 1300, b: 480 };
  state.now = 1500;
  t.is(clock.own(), 1090);
  state.waits = { a: 1900, b: 490 };
  state.now = 2000;
  t.is(clock.own(), 1100);
});

test('threads that take turns in waiting do not add up', (t) => {
  const { state, clock } = example();
  state.waits = { a: 0, b: 0 };
  clock.load();
  for (let round = 0; round < 100; round++) {
    const waits = round % 2 === 0 ? { a: 450, b: 0 } : { a: 0, b: 450 };
    state.waits = { a: state.waits.a! + waits.a, b: state.waits.b! + waits.b };
    state.now += 500;
    clock.load();
  }
  const { elapsed, steal } = clock.load();
  t.is(elapsed, 50_000);
  t.is(steal, 22_500);
});

test('what the host’s own host withholds is lost, too, and is not what a thread waited for', (t) => {
  const { state, clock } = example();
  state.waits = { a: 0 };
  state.stolen = { cpu0: 5000, cpu1: 7000 };
  clock.load();
  state.now = 500;
  state.stolen = { cpu0: 5100, cpu1: 7200 };
  t.is(clock.own(), 300);
  state.now = 1000;
  state.waits = { a: 100 };
  state.stolen = { cpu0: 5400, cpu1: 7300 };
  t.is(clock.own(), 500);
});

test('the kernel’s count of steal is read by processor', (t) => {
  const stat =
    'cpu  10 0 20 70 1 0 2 31 5 0\ncpu0 5 0 10 35 1 0 1 11 5 0\ncpu1 5 0 10 35 0 0 1 20 0 0\nintr 7 1\n';
  t.deepEqual(
    [...parseSteal(stat)],
    [
      ['cpu0', 110],
      ['cpu1', 200],
    ],
  );
  t.true(processOf(process.pid).stolen().size > 0);
});

test('no more is lost than passes', (t) => {
  const { state, clock } = example();
  state.waits = { a: 0 };
  state.now = 500;
  clock.load();
  state.waits = { a: 9000 };
  state.now = 1000;
  t.is(clock.own(), 0);
});

test('what passed while nobody looked was lost to both', (t) => {
  const { state, clock } = example();
  state.now = 3_600_000;
  t.is(clock.own(), 2000);
});

test('being stopped is told apart, and counts as time', (t) => {
  const { state, clock } = example();
  state.stopped = true;
  state.now = 500;
  t.is(clock.own(), 500);
  t.deepEqual(clock.load(), { elapsed: 500, steal: 0, stopped: 500 });
  t.is(missingShare(since({ elapsed: 0, steal: 0, stopped: 0 }, clock.load())), 1);
});

test('a process that shares one processor with another loses about half, and one that sleeps nothing', async (t) => {
  const endless = () => spawn('taskset', ['-c', '0', 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' });
  const [one, other] = [endless(), endless()];
  const sleeper = spawn('sleep', ['600'], { stdio: 'ignore' });
  const waited = () => Math.max(...processOf(sleeper.pid!).waits().values());
  try {
    // On a busy machine its start has to wait, too.
    while (!/^\d+ \(sleep\) S/.test(readFileSync(`/proc/${sleeper.pid}/stat`, 'latin1')))
      await setTimeout(20);
    const before = waited();
    using busy = new StealClock(processOf(one.pid!));
    await setTimeout(1500);
    const share = missingShare(busy.load());
    t.true(share > 0.25, String(share));
    t.true(waited() - before < 100);
  } finally {
    for (const child of [one, other, sleeper]) child.kill('SIGKILL');
  }
});

test('a process that is stopped is seen to be, and one that is gone is nothing', async (t) => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const watched = processOf(child.pid!);
  t.is(watched.isStopped(), false);
  t.true(watched.waits().size > 0);
  child.kill('SIGSTOP');
  while (!/T/.test(execFileSync('ps', ['-o', 'stat=', '-p', String(child.pid)], { encoding: 'utf8' })))
    await setTimeout(5);
  t.is(watched.isStopped(), true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.is(watched.isStopped(), false);
  t.is(watched.waits().size, 0);
});
