// SPDX-License-Identifier: MIT
// A guest without QEMU: its sockets are streams in memory. At their far ends a script speaks the agent's part of
// docs/protocol.md, and QEMU's part of QMP; its clock is advanced by the test.

import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type Duplex, duplexPair, PassThrough } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Header } from 'tar';
import type { KmsgRecord } from '../channel/kmsg.ts';
import type { GuestMessage, GuestMessageOf, HostMessage } from '../channel/messages.ts';
import type { Listener, Marks } from '../channel/session.ts';
import type { Guest, GuestExit } from '../guest/guest.ts';
import { type Machine, type PortName, portNames } from '../guest/qemu.ts';
import { Qmp } from '../guest/qmp.ts';
import { StealClock } from '../guest/steal.ts';

/** A machine that no QEMU ever runs. */
export const fakeMachine: Machine = {
  accelerator: 'tcg',
  cpu: 'max',
  memory: 512,
  cpus: 2,
  kernel: '/nowhere/kernel/vmlinux',
  initrd: '/nowhere/image.cpio',
  cmdline: 'console=ttyS0',
};

/** Remembers what a guest said, as text. */
export class Memory implements Listener {
  readonly said = { output: '', console: '' };
  readonly records: KmsgRecord[] = [];
  output = (chunk: Buffer): void => {
    this.said.output += chunk;
  };
  console = (chunk: Buffer): void => {
    this.said.console += chunk;
  };
  kernelLog = (_: Buffer, records: KmsgRecord[]) => void this.records.push(...records);
}

/** Milliseconds: the real clock looks twice as seldom. */
const step = 250;

/** The clock of a QEMU: it stands still until the test advances it. */
export class TestClock extends StealClock {
  readonly #state: { now: number; waited: number; isStopped: boolean };
  readonly #sleepers: (() => void)[] = [];

  constructor(state = { now: 0, waited: 0, isStopped: false }) {
    super(
      {
        waits: () => new Map([['cpu', state.waited]]),
        stolen: () => new Map(),
        isStopped: () => state.isStopped,
      },
      () => state.now,
    );
    this.#state = state;
  }

  /** Let time pass that QEMU can use. @param ms milliseconds */
  advance(ms: number): void {
    this.#pass(ms, 0);
  }

  /** Let time pass in which QEMU waits for a processor. @param ms milliseconds */
  withhold(ms: number): void {
    this.#pass(ms, ms);
  }

  /** Until time passes, be it less: who sleeps looks at what is left. */
  override async sleep(_: number, over: AbortSignal): Promise<void> {
    if (over.aborted) return;
    await new Promise<void>((wake) => {
      this.#sleepers.push(wake);
      over.addEventListener('abort', () => wake(), { once: true });
    });
  }

  #pass(ms: number, waited: number): void {
    for (let left = ms; left > 0; left -= step) {
      const part = Math.min(left, step);
      this.#state.now += part;
      this.#state.waited += (waited * part) / ms;
      this.load();
    }
    for (const wake of this.#sleepers.splice(0)) wake();
  }
}

export type HostMessageOf<T extends HostMessage['type']> = Extract<HostMessage, { type: T }>;

/** What the agent does when the host says something. */
export type Script = {
  [T in HostMessage['type']]?: (message: HostMessageOf<T>, agent: FakeAgent) => unknown;
};

/** What QEMU's monitor answers: the value, or an error for what is thrown. */
export type Monitor = Record<string, (args: Record<string, unknown>) => unknown>;

type Unnumbered<T> = T extends unknown ? Omit<T, 'seq'> : never;

/** KTAP of one case that passes. */
export const passing = 'KTAP version 1\n1..1\nok 1 works\n';

/** A test that passes. */
export const passes = ({ id }: { id: number }, agent: FakeAgent): void => {
  agent.begin(id);
  agent.output(passing);
  agent.end(id);
};

/** Does all that it is told; its test passes. */
const obedient: Required<Script> = {
  setup: ({ id }, agent) => agent.say({ type: 'ready', id }),
  ping: ({ id }, agent) => agent.say({ type: 'pong', id, uptime_ms: 1000 }),
  run: passes,
  prepare: ({ id }, agent) => {
    agent.begin(id);
    agent.waits(id);
  },
  proceed: passes,
  kill: ({ id }, agent) => {
    agent.say({ type: 'ready', id });
    agent.end(agent.running, { how: 'killed' });
  },
  put: ({ id }, agent) => agent.say({ type: 'ready', id }),
  get: ({ id }, agent) => agent.files(id, {}),
  window: ({ id }, agent) => agent.say({ type: 'ready', id }),
  shell: ({ id }, agent) => agent.say({ type: 'ready', id }),
  leave: ({ id }, agent) => agent.say({ type: 'error', id, message: 'no kernel is loaded' }),
  poweroff: (_, agent) => {
    agent.say({ type: 'bye' });
    agent.log('kiln-agent: powering off', 15);
    agent.guest.exit({ code: 0, signal: null }, [{ event: 'SHUTDOWN', data: { reason: 'guest-shutdown' } }]);
  },
};

/** PID 1 of a fake guest. */
export class FakeAgent {
  readonly guest: FakeGuest;
  /** All that the host has said. */
  readonly heard: (HostMessage & { seq: number })[] = [];
  /** The `id` of the last `run` or `proceed`. */
  running = 0;
  #seq: number;
  #outputBytes: number;
  #record: number;
  readonly #ends: Record<PortName | 'console', Duplex | PassThrough>;
  readonly #waiting: { type: string; resolve: (message: HostMessage) => void }[] = [];

  constructor(guest: FakeGuest, ends: FakeAgent['ends'], script: Script, marks?: Marks) {
    this.guest = guest;
    this.#ends = ends;
    this.#seq = marks?.guestSeq ?? 0;
    this.#outputBytes = marks?.outputBytes ?? 0;
    this.#record = marks?.nextRecord ?? 0;
    createInterface({ input: ends.control as Duplex }).on('line', async (line) => {
      // No answer comes while the host still asks.
      await setImmediate();
      if (!guest.isGone) this.#hear(JSON.parse(line), { ...obedient, ...script });
    });
  }

  /** The far ends of its ports. */
  get ends(): Record<PortName | 'console', Duplex | PassThrough> {
    return this.#ends;
  }

  /** The next message of this type from now on, after the agent has acted on it. */
  next<T extends HostMessage['type']>(type: T): Promise<HostMessageOf<T>> {
    return new Promise((resolve) => {
      this.#waiting.push({ type, resolve: resolve as (message: HostMessage) => void });
    });
  }

  /** Whether it has heard a message of this type. */
  has(type: HostMessage['type']): boolean {
    return this.heard.some((message) => message.type === type);
  }

  #hear(message: HostMessage & { seq: number }, acts: Script): void {
    this.heard.push(message);
    if (message.type === 'run' || message.type === 'proceed') this.running = message.id;
    (acts[message.type] as (message: HostMessage, agent: FakeAgent) => unknown)(message, this);
    for (const one of this.#waiting.splice(0))
      if (one.type === message.type) one.resolve(message);
      else this.#waiting.push(one);
  }

  say(message: Unnumbered<GuestMessage>): void {
    this.#ends.control.write(`${JSON.stringify({ seq: ++this.#seq, ...message })}\n`);
  }

  /** What a kernel's first agent says; another kernel's counts anew. */
  hello(more: Partial<GuestMessageOf<'hello'>> = {}): void {
    if (more.generation) {
      this.#seq = 0;
      this.#outputBytes = 0;
      this.#record = 0;
      this.#ends.control.write('\n');
    }
    const system = { release: '6.12.0', machine: 'x86_64', cmdline: '', boot_ms: 1500, cpus: 2 };
    const message = { type: 'hello' as const, protocol: 1, generation: 0, ...system, memory_kb: 500_000 };
    this.say({ ...message, ...more });
  }

  begin(id: number, more: Partial<GuestMessageOf<'begin'>> = {}): void {
    this.log(`kiln-agent: test ${id} begins`, 15);
    const counts = { ktap: this.#outputBytes, kmsg: this.#record };
    this.say({ type: 'begin', id, ...counts, taint: 0, ...more });
  }

  /** An `end` with the numbers of what was said until now. */
  end(id: number, more: Partial<GuestMessageOf<'end'>> = {}): void {
    this.log(`kiln-agent: test ${id} is over`, 15);
    const counts = { ktap: this.#outputBytes, kmsg: this.#record, taint: 0, duration_ms: 10 };
    const rest = { how: 'exit' as const, status: 0, leftovers: 0, artifacts: 0, settled: true, ready: false };
    this.say({ type: 'end', id, ...rest, ...counts, ...more });
  }

  /** The program of test `id` waits in kiln_ready(). */
  waits(id: number): void {
    this.say({ type: 'waits', id, ktap: this.#outputBytes, kmsg: this.#record });
  }

  output(text: string): void {
    this.#outputBytes += Buffer.byteLength(text);
    this.#ends.ktap.write(text);
  }

  /** One record of the kernel log. @param priority 15: a process wrote it */
  log(text: string, priority = 4): void {
    this.#ends.kmsg.write(`${priority},${this.#record++},${this.#record * 1000},-;${text}\n`);
  }

  console(text: string): void {
    this.#ends.console.write(text);
  }

  /** Answer a `get` with these files. */
  files(id: number, files: Record<string, string>, truncated = false): void {
    const archive = Buffer.concat(Object.entries(files).map(([path, text]) => tarEntry(path, text)));
    this.#ends.files.write(archive);
    this.say({ type: 'got', id, bytes: archive.length, truncated });
  }
}

function tarEntry(path: string, text: string): Buffer {
  const bytes = Buffer.from(text);
  const header = Buffer.alloc(512);
  new Header({ path, size: bytes.length, type: 'File', mode: 0o644 }).encode(header);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** What runs in a guest, how its monitor answers, and where its conversation stands. */
export type FakeGuestOptions = { script?: Script; monitor?: Monitor; marks?: Marks };

/** QEMU and its guest, as far as the harness can tell. */
export class FakeGuest {
  readonly clock = new TestClock();
  readonly agent: FakeAgent;
  /** What the harness has of it. */
  readonly guest: Guest;
  /** QEMU is gone. */
  isGone = false;
  readonly #ends: Duplex[] = [];
  readonly #sockets: Duplex[] = [];
  readonly #exited = Promise.withResolvers<GuestExit>();

  constructor({ script = {}, monitor = {}, marks }: FakeGuestOptions = {}) {
    const near: Record<string, Socket> = {};
    const far: Record<string, Duplex> = {};
    for (const name of ['qmp', ...portNames]) {
      const [host, end] = duplexPair();
      near[name] = host as Socket;
      far[name] = end;
      end.on('error', () => {});
    }
    const console = new PassThrough();
    this.#ends.push(...Object.values(far), console);
    this.#sockets.push(...Object.values(near));
    serveQmp(far.qmp!, monitor);
    const qmp = new Qmp(near.qmp!, this.clock);
    this.guest = {
      argv: ['qemu-system-x86_64', '-fake'],
      pid: process.pid,
      ports: near as Record<PortName, Socket>,
      console,
      keyboard: new PassThrough(),
      qmp,
      clock: this.clock,
      exited: this.#exited.promise,
      kill: () => this.exit({ code: null, signal: 'SIGKILL' }),
      [Symbol.asyncDispose]: async () => {
        this.guest.kill();
        await this.guest.exited;
        this.clock[Symbol.dispose]();
      },
    };
    const ends = { ...(far as Record<PortName, Duplex>), console };
    this.agent = new FakeAgent(this, ends, script, marks);
  }

  /** QEMU ends. */
  exit(how: Partial<GuestExit>, events: GuestExit['events'] = []): void {
    if (this.isGone) return;
    this.isGone = true;
    for (const end of this.#ends) end.end();
    void this.#announce({ code: null, signal: null, stderr: '', events, ...how });
  }

  /** What was written before is read first. */
  async #announce(exit: GuestExit): Promise<void> {
    for (let turns = 0; turns < 4; turns++) await setImmediate();
    for (const socket of this.#sockets) socket.destroy();
    this.#exited.resolve(exit);
  }
}

/** What a healthy QEMU answers. */
const healthy: Monitor = { 'query-status': () => ({ status: 'running' }) };

function serveQmp(end: Duplex, monitor: Monitor): void {
  const answers = { ...healthy, ...monitor };
  const write = (message: unknown) => end.writable && end.write(`${JSON.stringify(message)}\n`);
  write({ QMP: { version: {}, capabilities: [] } });
  createInterface({ input: end }).on('line', async (line) => {
    const { execute, arguments: args, id } = JSON.parse(line);
    try {
      write({ return: (await answers[execute]?.(args)) ?? {}, id });
      if (execute === 'migrate-incoming') write({ event: 'MIGRATION', data: { status: 'completed' } });
    } catch (error) {
      write({ error: { class: 'GenericError', desc: (error as Error).message }, id });
    }
  });
}

/** A test that passes while the kernel warns. */
export const warns: Script = {
  run: ({ id }, agent) => {
    agent.begin(id);
    agent.log('WARNING: CPU: 0 PID: 1 at fs/open.c:1 do_open+0x1/0x2');
    agent.output(passing);
    agent.end(id);
  },
};
