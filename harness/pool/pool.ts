// SPDX-License-Identifier: MIT
// Provides the guests of a run, forked or booted. Limits how many run at once and starts the next ones ahead.
import { dirname } from 'node:path';
import { explain } from '../channel/explain.ts';
import { HeldBack, type Listener, type Loss, Session } from '../channel/session.ts';
import type { Context } from '../context.ts';
import { type Guest, startGuest } from '../guest/guest.ts';
import type { Hang } from '../guest/hang.ts';
import type { Machine } from '../guest/qemu.ts';
import { thaw } from '../guest/snapshot.ts';
import type { Load } from '../guest/steal.ts';
import { limits } from '../limits.ts';
import { type Turn, Turns } from '../util/turns.ts';
import { type BootLogs, BootLost, makeTemplate, SetUpFailed, startFork, type Template } from './template.ts';
import { Templates } from './templates.ts';

export type GuestOrigin = 'boot' | 'fork';

/** A guest whose agent waits for a test, or why there is none. Disposing ends it. */
export type Lease = Disposable & Found;

type Found = {
  origin: GuestOrigin;
  argv: string[];
  /** CLOCK_BOOTTIME at the agent's hello (a fork's: its template's), milliseconds; null if it never came. */
  bootMs: number | null;
  /** `uname -r`, if known. */
  release: string | null;
  /** Host time from QEMU's start to the agent's answer, milliseconds; less if QEMU was started ahead. */
  startMs: number;
  /** The boot logs of a fork's template. */
  logs: BootLogs | null;
  /** Where the processors were, if the guest hung during boot. */
  hang: Hang | null;
  /** How much of the host it had until its agent's first word (a fork's: its template). */
  load: Load;
  /** The program of the machine's set-up waits in kiln_ready(). */
  waits: boolean;
} & ({ guest: Guest; session: Session; loss: null } | { guest: null; session: null; loss: Loss });

/** MiB that QEMU takes beside the guest's memory. */
const overhead = 96;

const nowhere = {
  origin: 'boot' as const,
  bootMs: null,
  release: null,
  startMs: 0,
  guest: null,
  session: null,
  waits: false,
};

/** The share of the memory that is free at the start, which guests may take together. */
const memoryShare = 0.8;

/** MiB that the guests of a run may take together, as things are now. */
export function memoryBudget(): number {
  return (process.availableMemory() / 2 ** 20) * memoryShare;
}

/** A request for a guest. */
type Wanted = { machine: Machine; origin: GuestOrigin; context: Context };

/** What starts QEMU. */
export type Starters = { boot: typeof startGuest; fork: typeof startFork; template: typeof makeTemplate };

const qemu: Starters = { boot: startGuest, fork: startFork, template: makeTemplate };

/** The guests of one run, whatever number of jobs it has. */
export class Pool implements AsyncDisposable {
  /** Guests at once. */
  readonly slots: number;
  readonly #starters: Starters;
  readonly #templates: Templates;
  readonly #turns: Turns<Wanted>;
  readonly #ahead = new Map<Template, Promise<Guest | null>[]>();
  readonly #ending = new Set<Promise<void>>();
  #disposed = false;

  /** @param slots guests at once; fewer run if they would not fit into `memory` (MiB) */
  constructor(slots: number, memory: number, starters = qemu) {
    this.slots = slots;
    this.#starters = starters;
    this.#templates = new Templates(limits.boot, starters.template);
    this.#turns = new Turns(slots, memory);
  }

  /** Wait until one more guest may run; disposing lets the next one in. */
  async turn(machine: Machine, origin: GuestOrigin, context: Context): Promise<Turn> {
    return this.#turns.take(machine.memory + overhead, { machine, origin, context });
  }

  /**
   * Have a guest. What it says goes to `collector`, a fork's with its template's boot before it. A guest that can't
   * be forked is booted. Throws if QEMU can't be started.
   */
  async acquire(
    machine: Machine,
    origin: GuestOrigin,
    collector: Listener,
    context: Context,
  ): Promise<Lease> {
    const found = await this.#find({ machine, origin, context }, collector);
    void this.#startAhead();
    const { guest } = found;
    // Disposing does not wait for QEMU's exit; disposing the pool does.
    return { ...found, [Symbol.dispose]: () => guest && this.#end(guest) };
  }

  /** Make the machine's template now, if it can be. Returns null, or why its set-up has failed. */
  async setUp(machine: Machine, context: Context): Promise<string | null> {
    using _turn = await this.turn(machine, 'fork', context);
    try {
      await this.#templates.get(machine, context);
    } catch (error) {
      context.signal.throwIfAborted();
      if (error instanceof SetUpFailed) return error.message;
      // What else is wrong is found again, by whoever acquires a guest.
    }
    return null;
  }

  /** A fork of this machine had no room for its memory: boot it from now on. */
  async bootFromNowOn(machine: Machine, context: Context): Promise<void> {
    await this.#templates.bootFromNowOn(machine, context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const ahead = [...this.#ahead.values()].flat();
    this.#ahead.clear();
    for (const guest of ahead) await (await guest)?.[Symbol.asyncDispose]();
    await Promise.all(this.#ending);
    await this.#templates[Symbol.asyncDispose]();
  }

  #end(guest: Guest): void {
    const ending = Promise.resolve(guest[Symbol.asyncDispose]()).finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  async #find(wanted: Wanted, collector: Listener): Promise<Found> {
    try {
      const fork = wanted.origin === 'fork' ? await this.#fork(wanted, collector) : null;
      return fork ?? (await this.#boot(wanted, collector));
    } catch (error) {
      if (!(error instanceof BootLost)) throw error;
      const { logs, loss, hang, argv, load } = error;
      replay(logs, collector);
      return { ...nowhere, argv, logs, loss, hang, load };
    }
  }

  async #boot({ machine, context }: Wanted, collector: Listener): Promise<Found> {
    const started = performance.now();
    const guest = await this.#starters.boot(machine, context.signal);
    const session = new Session(guest, collector);
    const hello = await session.hello(limits.boot);
    const load = guest.clock.load();
    const loss = hello.loss ?? (await session.setup(limits.setup)).loss ?? null;
    const bootMs = hello.message?.boot_ms ?? null;
    const startMs = performance.now() - started;
    const release = hello.message?.release ?? null;
    const rest = {
      ...{ origin: 'boot' as const, argv: guest.argv, bootMs, release, startMs, load },
      ...{ logs: null, waits: false },
    };
    if (!loss) return { ...rest, guest, session, loss, hang: null };
    const explained = await explain(loss, guest, session, dirname(machine.kernel));
    // Its last output is evidence.
    guest.kill();
    await guest.exited;
    this.#end(guest);
    return { ...rest, guest: null, session: null, ...explained };
  }

  /** null if it can't be forked. */
  async #fork(wanted: Wanted, collector: Listener): Promise<Found | null> {
    const { machine, context } = wanted;
    for (;;) {
      const template = await this.#templates.get(machine, context);
      if (!template) return null;
      let trouble: unknown;
      for (const start of [() => this.#takeAhead(template), () => this.#start(template, wanted)])
        try {
          const guest = await start();
          if (guest) return await this.#revive(guest, template, machine, collector);
        } catch (error) {
          context.signal.throwIfAborted();
          trouble = error;
        }
      await this.#templates.failed(template, machine, trouble, context);
    }
  }

  /** Thaw a fork and wait for its first answer. */
  async #revive(
    { guest, since }: Started,
    template: Template,
    { setUp }: Machine,
    collector: Listener,
  ): Promise<Found> {
    // Nothing of a fork that fails is to be in the logs of the guest that takes its place.
    const held = new HeldBack();
    try {
      const session = new Session(guest, held, template.marks);
      await thaw(guest);
      const { loss } = await session.setup(limits.setup);
      if (loss) throw new Error(`a fork did not answer (${loss.why})`);
      const { logs, bootMs, load } = template;
      replay(logs, collector);
      held.release(collector);
      session.tell(collector);
      return {
        origin: 'fork',
        argv: guest.argv,
        bootMs,
        release: template.release,
        startMs: performance.now() - since,
        logs,
        load,
        guest,
        session,
        loss: null,
        hang: null,
        waits: setUp !== undefined,
      };
    } catch (error) {
      this.#end(guest);
      throw error;
    }
  }

  async #start(template: Template, { machine, context }: Wanted): Promise<Started> {
    const since = performance.now();
    return { guest: await this.#starters.fork(template, machine, context.signal), since };
  }

  async #takeAhead(template: Template): Promise<Started | null> {
    const guest = await this.#ahead.get(template)?.shift();
    return guest ? { guest, since: performance.now() } : null;
  }

  /** While tests run, QEMU is started for the next ones: it then lacks only its state. */
  async #startAhead(): Promise<void> {
    const starts = new Map<Template, Wanted[]>();
    for (const wanted of this.#turns.next(this.slots)) {
      const { machine, origin, context } = wanted;
      const template =
        origin === 'fork' ? await this.#templates.get(machine, context).catch(() => null) : null;
      if (template) starts.set(template, [...(starts.get(template) ?? []), wanted]);
    }
    for (const [template, all] of starts) {
      const ahead = this.#ahead.get(template) ?? [];
      this.#ahead.set(template, ahead);
      for (const { machine, context } of all.slice(ahead.length))
        if (!this.#disposed)
          ahead.push(this.#starters.fork(template, machine, context.signal).catch(() => null));
    }
  }
}

/** Pass the logs of a boot to a listener. */
export function replay({ console, kmsg, records, output }: BootLogs, to: Listener): void {
  to.console(console);
  to.kernelLog(kmsg, records);
  if (output.length > 0) to.output(output);
}

/** QEMU, waiting for its state. `since`: when the fork was requested (performance.now()). */
type Started = { guest: Guest; since: number };
