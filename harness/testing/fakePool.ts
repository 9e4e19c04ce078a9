// SPDX-License-Identifier: MIT
// A pool whose guests are fakes (fakeGuest.ts); templates lie in a cache of the test's, as real ones do.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Loss } from '../channel/session.ts';
import type { Context } from '../context.ts';
import type { Machine } from '../guest/qemu.ts';
import type { Load } from '../guest/steal.ts';
import { type GuestOrigin, Pool, type Starters } from '../pool/pool.ts';
import { BootLost } from '../pool/template.ts';
import { FakeGuest, type FakeGuestOptions } from './fakeGuest.ts';

/** A context with a cache that goes with the test, and what is noted in it. */
export async function fakeContext(t: ExecutionContext) {
  const cache = await mkdtemp(join(tmpdir(), 'kiln-fake-'));
  t.teardown(() => rm(cache, { recursive: true, force: true }));
  const abort = new AbortController();
  const notes: string[] = [];
  const context: Context = {
    cache,
    signal: abort.signal,
    progress: () => {},
    // A lock that is free takes a while on a busy machine, and Kiln then says that it waits.
    note: (level, text) => void (/: waiting for it$/.test(text) || notes.push(`${level}: ${text}`)),
  };
  return { context, notes, abort };
}

/** A guest that was started. */
export type Started = { how: GuestOrigin; fake: FakeGuest; machine: Machine };

/** What a fake template's boot was like. `output`: of its set-up. */
export type FakeBoot = { kmsg?: string; output?: string; load?: Load };

export type FakePoolOptions = {
  slots?: number;
  /** MiB. */
  memory?: number;
  /** What runs in the guest that is started as the `index`-th, from 0; throws if QEMU does not start. */
  guest?: (how: GuestOrigin, index: number) => FakeGuestOptions & { isMute?: boolean };
  /** The boot of the template that is made as the `index`-th, from 0; throws if there is none. */
  template?: (index: number) => FakeBoot;
};

/** Of the fake template's boot. */
export const templateBoot = '6,0,1,-;Linux version 6.12.0\n';

/** A guest that falls silent and tells nothing of why: its monitor refuses to stop it. */
export const mute = {
  isMute: true,
  monitor: {
    stop: () => {
      throw new Error('it does not stop');
    },
  },
};

const unhindered: Load = { elapsed: 120_000, steal: 0, stopped: 0 };

/** The error of a template's maker: the guest was lost at its boot. */
export function lostAtBoot(loss: Loss, console = 'no init found', load = unhindered): BootLost {
  const logs = { console: Buffer.from(console), kmsg: Buffer.alloc(0), records: [], output: Buffer.alloc(0) };
  return new BootLost({ loss, hang: null }, logs, ['qemu-of-the-template'], load);
}

export async function fakePool(t: ExecutionContext, options: FakePoolOptions = {}) {
  const { slots = 2, memory = 4096 } = options;
  const guest: NonNullable<FakePoolOptions['guest']> = options.guest ?? (() => ({}));
  const template: NonNullable<FakePoolOptions['template']> = options.template ?? (() => ({}));
  const all = await fakeContext(t);
  const started: Started[] = [];
  const counts = { templates: 0 };
  let onStart = () => {};
  const start = (how: GuestOrigin, machine: Machine, marks: FakeGuestOptions['marks']) => {
    const { isMute = false, ...rest } = guest(how, started.length);
    const fake = new FakeGuest({ ...(marks ? { marks } : {}), ...rest });
    t.teardown(() => fake.guest[Symbol.asyncDispose]());
    started.push({ how, fake, machine });
    if (how === 'boot' && !isMute) fake.agent.hello();
    onStart();
    return fake.guest;
  };
  const starters: Starters = {
    boot: async (machine) => start('boot', machine, undefined),
    fork: async ({ marks }, machine) => start('fork', machine, marks),
    template: async (_, dir) => {
      const boot = template(counts.templates++);
      const { kmsg = '', output = '', load = { elapsed: 1500, steal: 0, stopped: 0 } } = boot;
      const marks = { guestSeq: 1, hostSeq: 0, id: 0, outputBytes: 0, nextRecord: 10 };
      const info = { bootMs: 1400, release: '6.12.0-template', marks, load };
      const files = {
        memory: '',
        state: '',
        console: 'booting\n',
        kmsg: `${templateBoot}${kmsg}`,
        output,
        'template.json': JSON.stringify(info),
      };
      for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    },
  };
  const pool = new Pool(slots, memory, starters);
  t.teardown(() => pool[Symbol.asyncDispose]());
  /** Wait until so many guests have been started. */
  const have = (count: number) =>
    new Promise<void>((resolve) => {
      onStart = () => started.length >= count && resolve();
      onStart();
    });
  return { ...all, pool, starters, started, counts, have };
}
