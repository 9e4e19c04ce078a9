// SPDX-License-Identifier: MIT
// Guests are fakes (testing/fakeGuest.ts); templates are real files in a cache of the test's.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { KilnError } from '../errors.ts';
import type { Machine } from '../guest/qemu.ts';
import { fakeMachine, Memory } from '../testing/fakeGuest.ts';
import { fakePool, lostAtBoot, mute } from '../testing/fakePool.ts';
import { Pool } from './pool.ts';

const machine = fakeMachine;
const silent = { script: { setup: () => {} }, ...mute };

/** Everything that is ready to happen has happened. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 10; turns++) await setImmediate();
}

test('a guest that is booted is handed out when its agent has answered, with all that it said', async (t) => {
  const { pool, context, started } = await fakePool(t);
  const memory = new Memory();
  using lease = await pool.acquire(machine, 'boot', memory, context);
  t.like(lease, { origin: 'boot', bootMs: 1500, release: '6.12.0', logs: null, loss: null, hang: null });
  t.true(started[0]!.fake.agent.has('setup'));
  started[0]!.fake.agent.console('hello, world');
  t.like((await lease.session!.ping(1000)).message, { type: 'pong' });
  t.is(memory.said.console, 'hello, world');
  lease[Symbol.dispose]();
  t.true(started[0]!.fake.isGone);
});

test('the time that the host kept from a guest until its first word is told', async (t) => {
  const { pool, context, started, have } = await fakePool(t, { guest: () => ({ isMute: true }) });
  const leased = pool.acquire(machine, 'boot', new Memory(), context);
  await have(1);
  await settled();
  const { clock, agent } = started[0]!.fake;
  clock.advance(2000);
  clock.withhold(1000);
  agent.hello();
  using lease = await leased;
  t.deepEqual(lease.load, { elapsed: 3000, steal: 1000, stopped: 0 });
});

test('a fork goes on from its template, and its log begins with the boot of that', async (t) => {
  const { pool, context, started } = await fakePool(t);
  const memory = new Memory();
  using lease = await pool.acquire(machine, 'fork', memory, context);
  t.like(lease, { origin: 'fork', bootMs: 1400, release: '6.12.0-template', loss: null });
  t.deepEqual(lease.load, { elapsed: 1500, steal: 0, stopped: 0 });
  t.is(started[0]!.how, 'fork');
  started[0]!.fake.agent.console('forked');
  await lease.session!.ping(1000);
  t.is(memory.said.console, 'booting\nforked');
  t.is(memory.records[0]?.text, 'Linux version 6.12.0');
});

test('a template is made once, for all forks and for the next run', async (t) => {
  const { pool, context, starters, counts } = await fakePool(t);
  const forks = [1, 2, 3].map(() => pool.acquire(machine, 'fork', new Memory(), context));
  for (const lease of await Promise.all(forks)) lease[Symbol.dispose]();
  t.is(counts.templates, 1);
  await using next = new Pool(1, 4096, starters);
  (await next.acquire(machine, 'fork', new Memory(), context))[Symbol.dispose]();
  t.is(counts.templates, 1);
  (await next.acquire({ ...machine, cpus: 3 }, 'fork', new Memory(), context))[Symbol.dispose]();
  t.is(counts.templates, 2);
});

test('a guest that does not say a word at its boot is a lease without a guest, and is ended', async (t) => {
  const { pool, context, started, have } = await fakePool(t, { guest: () => mute });
  const memory = new Memory();
  const leased = pool.acquire(machine, 'boot', memory, context);
  await have(1);
  await settled();
  const { fake } = started[0]!;
  fake.agent.console('stuck');
  await settled();
  fake.clock.advance(120_000);
  using lease = await leased;
  t.like(lease, { guest: null, session: null, bootMs: null, loss: { why: 'silent' } });
  t.truthy(lease.hang);
  t.true(fake.isGone);
  t.is(memory.said.console, 'stuck');
});

test('a guest that says hello and does not answer setup is lost in its boot, too', async (t) => {
  const { pool, context, started, have } = await fakePool(t, { guest: () => ({ ...silent, isMute: false }) });
  const leased = pool.acquire(machine, 'boot', new Memory(), context);
  await have(1);
  await started[0]!.fake.agent.next('setup');
  started[0]!.fake.clock.advance(20_000);
  using lease = await leased;
  t.like(lease, { guest: null, bootMs: 1500, loss: { why: 'silent' } });
});

test('a QEMU that ends while its guest boots is how it ended', async (t) => {
  const { pool, context, started, have } = await fakePool(t, { guest: () => mute });
  const leased = pool.acquire(machine, 'boot', new Memory(), context);
  await have(1);
  started[0]!.fake.exit({ code: 1, stderr: 'no such device' });
  using lease = await leased;
  t.like(lease.loss, {
    why: 'exited',
    exit: { code: 1, signal: null, stderr: 'no such device', events: [] },
  });
});

test('a QEMU that can not be started is an error', async (t) => {
  const { pool, context } = await fakePool(t, {
    guest: () => {
      throw new KilnError('infrastructure', 'QEMU did not start');
    },
  });
  await t.throwsAsync(pool.acquire(machine, 'boot', new Memory(), context), {
    message: 'QEMU did not start',
  });
});

test('a fork that does not come to life has the template made anew, and nothing of it is in the log', async (t) => {
  const { pool, context, notes, started, counts, have } = await fakePool(t, {
    guest: (_, index) => (index === 0 ? silent : {}),
  });
  const memory = new Memory();
  const leased = pool.acquire(machine, 'fork', memory, context);
  await have(1);
  const { agent, clock } = started[0]!.fake;
  agent.console('of the one that fails');
  await agent.next('setup');
  clock.advance(20_000);
  using lease = await leased;
  t.is(lease.origin, 'fork');
  t.true(started[0]!.fake.isGone);
  t.is(counts.templates, 2);
  t.deepEqual(notes, [
    'info: a frozen guest did not come to life (a fork did not answer (silent)): made anew',
  ]);
  t.is(memory.said.console, 'booting\n');
});

test('where forks fail again, guests are booted from then on, and a warning says so', async (t) => {
  const { pool, context, notes, started, counts } = await fakePool(t, {
    guest: (how) => {
      if (how === 'fork') throw new Error('no such option');
      return {};
    },
  });
  for (let time = 0; time < 2; time++) {
    using lease = await pool.acquire(machine, 'fork', new Memory(), context);
    t.is(lease.origin, 'boot');
  }
  t.is(counts.templates, 2);
  t.deepEqual(notes, [
    'info: a frozen guest did not come to life (no such option): made anew',
    'warn: guests are booted, not forked: no such option',
  ]);
  t.deepEqual(
    started.map(({ how }) => how),
    ['boot', 'boot'],
  );
});

test('forks that fail at once have one template made anew', async (t) => {
  const { pool, context, counts, started, have } = await fakePool(t, {
    guest: (_, index) => (index < 2 ? silent : {}),
  });
  const both = [1, 2].map(() => pool.acquire(machine, 'fork', new Memory(), context));
  await have(2);
  await Promise.all(started.map(({ fake }) => fake.agent.next('setup')));
  for (const { fake } of started.slice(0, 2)) fake.clock.advance(20_000);
  for (const lease of await Promise.all(both)) {
    t.is(lease.origin, 'fork');
    lease[Symbol.dispose]();
  }
  t.is(counts.templates, 2);
});

test('a guest that can not be frozen is tried twice and then booted, with a warning', async (t) => {
  const { pool, context, notes, counts } = await fakePool(t, {
    template: () => {
      throw new KilnError('infrastructure', 'QEMU: no migration here');
    },
  });
  using lease = await pool.acquire(machine, 'fork', new Memory(), context);
  t.is(lease.origin, 'boot');
  t.is(counts.templates, 2);
  t.deepEqual(notes, ['warn: guests are booted, not forked: QEMU: no migration here']);
});

test('a kernel that does not boot is told once, with its logs, to all who want a fork of it', async (t) => {
  const { pool, context, counts, started, notes } = await fakePool(t, {
    template: () => {
      throw lostAtBoot({ why: 'silent', detail: 'no answer' });
    },
  });
  for (let time = 0; time < 2; time++) {
    const memory = new Memory();
    using lease = await pool.acquire(machine, 'fork', memory, context);
    t.like(lease, { guest: null, loss: { why: 'silent' }, bootMs: null, argv: ['qemu-of-the-template'] });
    t.is(memory.said.console, 'no init found');
  }
  t.is(counts.templates, 1);
  t.deepEqual([started.length, notes], [0, []]);
});

test('a QEMU that can not be used for a template is no kernel that does not boot', async (t) => {
  const exit = { code: 1, signal: null, stderr: 'qemu: no such option', events: [] };
  const { pool, context, notes } = await fakePool(t, {
    template: () => {
      throw lostAtBoot({ why: 'exited', exit });
    },
  });
  using lease = await pool.acquire(machine, 'fork', new Memory(), context);
  t.is(lease.origin, 'boot');
  t.regex(notes[0]!, /^warn: guests are booted, not forked: .*no such option$/);
});

test('a kernel that panics while its template boots does not boot, however QEMU ended', async (t) => {
  const exit = { code: 0, signal: null, stderr: '', events: [{ event: 'GUEST_PANICKED' }] };
  const { pool, context } = await fakePool(t, {
    template: () => {
      throw lostAtBoot({ why: 'exited', exit });
    },
  });
  using lease = await pool.acquire(machine, 'fork', new Memory(), context);
  t.is(lease.loss?.why, 'exited');
});

const stall = '4,9,9,-;rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n';

test('a template that stalls on a busy host until it is lost is booted once more', async (t) => {
  const lost = { why: 'silent' as const, detail: 'no answer within 120 s' };
  const console = '[   40.123456] watchdog: Watchdog detected hard LOCKUP on cpu 1\n';
  for (const [steal, templates] of [
    [60_000, 2],
    [0, 1],
  ] as const) {
    const { pool, context, counts, notes } = await fakePool(t, {
      template: (index) => {
        if (index === 0) throw lostAtBoot(lost, console, { elapsed: 200_000, steal, stopped: 0 });
        return {};
      },
    });
    using lease = await pool.acquire(machine, 'fork', new Memory(), context);
    t.is(lease.loss === null, steal > 0);
    t.is(counts.templates, templates);
    t.is(
      notes.filter((text) => /was booted once more: its boot complained \(hard lockup/.test(text)).length,
      templates - 1,
    );
  }
});

test('a template that complains on a busy host is booted once more', async (t) => {
  const { pool, context, counts, notes } = await fakePool(t, {
    template: (index) =>
      index === 0 ? { kmsg: stall, load: { elapsed: 30_000, steal: 20_000, stopped: 0 } } : {},
  });
  using lease = await pool.acquire(machine, 'fork', new Memory(), context);
  t.is(lease.origin, 'fork');
  t.is(counts.templates, 2);
  t.regex(notes[0]!, /^warn: a guest to fork from was booted once more: its boot complained \(.*stall/);
  t.is(lease.load.steal, 0);
});

test('a template that complains on an idle host serves this run, and is not kept for the next', async (t) => {
  const { pool, context, counts } = await fakePool(t, { template: () => ({ kmsg: stall }) });
  for (let time = 0; time < 2; time++) {
    using lease = await pool.acquire(machine, 'fork', new Memory(), context);
    t.is(lease.origin, 'fork');
  }
  t.is(counts.templates, 1);
  t.deepEqual(await readdir(join(context.cache, 'templates')), []);
});

const underKvm: Machine = { ...fakeMachine, accelerator: 'kvm', cpu: 'host' };
const warning = '4,9,9,-;WARNING: CPU: 0 PID: 1 at kernel/demo.c:1 demo_init+0x1/0x2\n4,10,9,-;Call Trace:\n';

test('a complaint at boot under KVM is looked for under TCG, once', async (t) => {
  for (const [emulated, note] of [
    [
      '',
      /^warn: the boot complains with KVM, and not with TCG \(WARNING in demo_init[^)]*\): KVM or the processor/,
    ],
    [warning, /^info: the boot complains with TCG, too \(WARNING in demo_init/],
  ] as const) {
    const { pool, context, counts, notes } = await fakePool(t, {
      template: (index) => ({ kmsg: index === 1 ? emulated : warning }),
    });
    for (const memory of [512, 256]) {
      using lease = await pool.acquire({ ...underKvm, memory }, 'fork', new Memory(), context);
      t.is(lease.origin, 'fork');
    }
    t.is(counts.templates, 3, 'two machines under KVM, and one of them under TCG');
    t.is(notes.length, 1);
    t.regex(notes[0]!, note);
  }
});

test('what TCG says is unknown if the kernel does not boot there', async (t) => {
  const { pool, context, notes } = await fakePool(t, {
    template: (index) => {
      if (index === 1) throw lostAtBoot({ why: 'silent', detail: 'no word' });
      return { kmsg: warning };
    },
  });
  using lease = await pool.acquire(underKvm, 'fork', new Memory(), context);
  t.is(lease.origin, 'fork');
  t.regex(notes.join(), /^info: whether the boot complains with TCG, too, is unknown: .*no word$/);
});

test('a boot without complaints is not compared, nor one under TCG', async (t) => {
  for (const [machine, kmsg] of [
    [underKvm, ''],
    [fakeMachine, warning],
  ] as const) {
    const { pool, context, counts, notes } = await fakePool(t, { template: () => ({ kmsg }) });
    using _lease = await pool.acquire(machine, 'fork', new Memory(), context);
    t.is(counts.templates, 1);
    t.deepEqual(notes, []);
  }
});

test('a template whose boot has a notice in its log is kept', async (t) => {
  const { pool, context } = await fakePool(t, {
    template: () => ({ kmsg: '2,9,9,-;srvfs: the index is damaged, inode 4711\n' }),
  });
  using _lease = await pool.acquire(machine, 'fork', new Memory(), context);
  t.is((await readdir(join(context.cache, 'templates'))).length, 1);
});

test('a machine whose forks have no room is booted from then on, with one warning', async (t) => {
  const { pool, context, notes } = await fakePool(t);
  (await pool.acquire(machine, 'fork', new Memory(), context))[Symbol.dispose]();
  await Promise.all([pool.bootFromNowOn(machine, context), pool.bootFromNowOn(machine, context)]);
  using lease = await pool.acquire(machine, 'fork', new Memory(), context);
  t.is(lease.origin, 'boot');
  t.deepEqual(notes, ['warn: guests are booted, not forked: the file system that holds the cache is full']);
  using other = await pool.acquire({ ...machine, memory: 256 }, 'fork', new Memory(), context);
  t.is(other.origin, 'fork');
});

test('guests wait for a slot and for memory, in the order in which they came', async (t) => {
  const { pool, context } = await fakePool(t, { slots: 2, memory: 1300 });
  const order: string[] = [];
  const turn = (name: string, memory: number) =>
    pool.turn({ ...machine, memory }, 'boot', context).then((taken) => {
      order.push(name);
      return taken;
    });
  const first = await turn('first', 512);
  const second = await turn('second', 512);
  const third = turn('third', 1200);
  const fourth = turn('fourth', 64);
  await settled();
  t.deepEqual(order, ['first', 'second']);
  first[Symbol.dispose]();
  await settled();
  t.deepEqual(order, ['first', 'second']);
  second[Symbol.dispose]();
  const taken = await third;
  await settled();
  t.deepEqual(order, ['first', 'second', 'third']);
  taken[Symbol.dispose]();
  (await fourth)[Symbol.dispose]();
});

test('QEMU counts with what it takes beside the memory of its guest', async (t) => {
  const { pool, context } = await fakePool(t, { slots: 2, memory: 1100 });
  using _first = await pool.turn(machine, 'boot', context);
  let isIn = false;
  void pool.turn(machine, 'boot', context).then((turn) => {
    isIn = true;
    turn[Symbol.dispose]();
  });
  await settled();
  t.false(isIn);
});

test('for a test that waits for its turn QEMU is started ahead, and taken by it', async (t) => {
  const { pool, context, started, have } = await fakePool(t, { slots: 1 });
  const turn = await pool.turn(machine, 'fork', context);
  const waiting = [1, 2].map(() => pool.turn(machine, 'fork', context));
  const lease = await pool.acquire(machine, 'fork', new Memory(), context);
  await have(2);
  await settled();
  t.is(started.length, 2);
  t.false(started[1]!.fake.agent.has('setup'));
  lease[Symbol.dispose]();
  turn[Symbol.dispose]();
  const next = await waiting[0]!;
  using second = await pool.acquire(machine, 'fork', new Memory(), context);
  t.is(second.guest, started[1]!.fake.guest);
  next[Symbol.dispose]();
  (await waiting[1]!)[Symbol.dispose]();
});

test('a guest that was started ahead and is gone is replaced', async (t) => {
  const { pool, context, started, counts, have } = await fakePool(t, { slots: 1 });
  const turn = await pool.turn(machine, 'fork', context);
  const waiting = pool.turn(machine, 'fork', context);
  const lease = await pool.acquire(machine, 'fork', new Memory(), context);
  await have(2);
  started[1]!.fake.exit({ signal: 'SIGKILL' });
  lease[Symbol.dispose]();
  turn[Symbol.dispose]();
  (await waiting)[Symbol.dispose]();
  using second = await pool.acquire(machine, 'fork', new Memory(), context);
  t.is(second.guest, started[2]!.fake.guest);
  t.is(counts.templates, 1);
});

test('nothing is started ahead for who wants a boot', async (t) => {
  const { pool, context, started } = await fakePool(t, { slots: 1 });
  const turn = await pool.turn(machine, 'boot', context);
  const waiting = pool.turn(machine, 'boot', context);
  using _lease = await pool.acquire(machine, 'boot', new Memory(), context);
  await settled();
  t.is(started.length, 1);
  turn[Symbol.dispose]();
  (await waiting)[Symbol.dispose]();
});

test('a lease that is over ends its guest; the end of the pool waits for it, and ends what was started ahead', async (t) => {
  const { pool, context, started, have } = await fakePool(t, { slots: 1 });
  const turn = await pool.turn(machine, 'fork', context);
  const waiting = pool.turn(machine, 'fork', context);
  const lease = await pool.acquire(machine, 'fork', new Memory(), context);
  await have(2);
  const end = Promise.withResolvers<void>();
  started[0]!.fake.guest[Symbol.asyncDispose] = () => end.promise;
  lease[Symbol.dispose]();
  let isOver = false;
  const ended = pool[Symbol.asyncDispose]().finally(() => {
    isOver = true;
  });
  await started[1]!.fake.guest.exited;
  await settled();
  t.false(isOver);
  end.resolve();
  await ended;
  t.true(started[1]!.fake.isGone);
  turn[Symbol.dispose]();
  (await waiting)[Symbol.dispose]();
});

test('an interruption while a fork is started is no fault of its template', async (t) => {
  const { pool, context, abort, counts } = await fakePool(t, {
    guest: () => {
      abort.abort(new KilnError('interrupted', 'interrupted'));
      throw new Error('QEMU was ended');
    },
  });
  await t.throwsAsync(pool.acquire(machine, 'fork', new Memory(), context), { message: 'interrupted' });
  t.is(counts.templates, 1);
});
