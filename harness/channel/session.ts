// SPDX-License-Identifier: MIT
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { KilnError } from '../errors.ts';
import type { Guest, GuestExit } from '../guest/guest.ts';
import { type Countdown, countdown, maxStretch, runOut } from '../guest/steal.ts';
import { limits } from '../limits.ts';
import { KmsgParser, type KmsgRecord } from './kmsg.ts';
import {
  type GuestMessage,
  type GuestMessageOf,
  type HostMessage,
  MessageReader,
  maxLine,
  protocolVersion,
} from './messages.ts';
import { Limit, type TestLimits } from './testLimit.ts';
import { extractFromGuest } from './unpack.ts';

/** Gets the guest's output as it arrives. An implementation must bound what it stores. */
export type Listener = {
  output: (chunk: Buffer) => void;
  kernelLog: (chunk: Buffer, records: KmsgRecord[]) => void;
  console: (chunk: Buffer) => void;
};

/** Ignores all output. */
export const nobody: Listener = { output: () => {}, kernelLog: () => {}, console: () => {} };

/** Stores a guest's output until it is known which listener it is for. */
export class HeldBack implements Listener {
  #calls: ((to: Listener) => void)[] = [];
  output = (chunk: Buffer) => void this.#calls.push((to) => to.output(chunk));
  console = (chunk: Buffer) => void this.#calls.push((to) => to.console(chunk));
  kernelLog = (chunk: Buffer, records: KmsgRecord[]) =>
    void this.#calls.push((to) => to.kernelLog(chunk, records));

  release(to: Listener): void {
    for (const call of this.#calls) call(to);
  }
}

/** Why a wait ended without the expected message. */
export type Loss =
  | { why: 'exited'; exit: GuestExit }
  | { why: 'broken'; detail: string }
  | { why: 'silent'; detail: string }
  /** QEMU does not run the guest, for a reason outside of the guest. */
  | { why: 'stuck'; detail: string }
  /** The kernel refused to go to the next one. */
  | { why: 'refused'; detail: string };

export type Heard<T> = { message: T; loss?: never } | { message?: never; loss: Loss };

/** The result of one test program. */
export type TestRun = {
  begin: GuestMessageOf<'begin'> | null;
  end: GuestMessageOf<'end'> | null;
  /** Set if the guest was lost before it reported the test's end. */
  loss: Loss | null;
  /** The test's output or its kernel log did not arrive completely. */
  incomplete: boolean;
  /** The hello of the crash kernel, if the kernel crashed into one. */
  next: GuestMessageOf<'hello'> | null;
};

/** A test program and how the guest runs it. */
export type Program = {
  path: string;
  args: string[];
  cwd: string;
  /** The number of this kernel, from 0, and of all kernels in the test. */
  generation: number;
  generations: number;
};

/** The size of a terminal in characters. */
export type Window = { rows: number; columns: number };

/** The counters of a conversation. A fork continues with those of its template. */
export type Marks = {
  /** The number of the last message in each direction. */
  guestSeq: number;
  hostSeq: number;
  /** The last `id` that the host used. */
  id: number;
  /** Bytes received on the ktap port. */
  outputBytes: number;
  /** The sequence number of the next kernel log record. */
  nextRecord: number;
};

type OutcomeType = 'end' | 'error' | 'waits' | 'hello';
/** What came of a test. `isOver`: it had reached its limit. */
type Outcome = Heard<GuestMessageOf<OutcomeType>> & {
  begin: GuestMessageOf<'begin'> | null;
  isOver: boolean;
};

function isOutcome(message: GuestMessage): message is GuestMessageOf<'end' | 'error' | 'waits'> {
  return message.type === 'end' || message.type === 'error' || message.type === 'waits';
}

type Waiting = { matches: (message: GuestMessage) => boolean; resolve: (heard: Heard<GuestMessage>) => void };

/**
 * A conversation with the agent of one guest. Every wait has a deadline, which runs on QEMU's own time. A lost guest is
 * a result, not an exception.
 */
export class Session {
  readonly #guest: Guest;
  readonly #reader: MessageReader;
  /** When the last message arrived, on the guest's own clock. */
  #lastHeard: number;
  #kmsg = new KmsgParser();
  readonly #begun = new Map<number, { message: GuestMessageOf<'begin'>; at: number }>();
  readonly #onSettling = new Map<number, () => void>();
  #early: GuestMessage[] = [];
  #waiting: Waiting[] = [];
  #loss: Loss | null = null;
  #seq = 0;
  #id = 0;
  #outputBytes = 0;
  #nextRecord = 0;
  /** Called when bytes of the test's output or records of the kernel log have come. */
  #onDelivery = () => {};

  #listener: Listener;

  constructor(guest: Guest, listener: Listener, marks?: Marks) {
    this.#guest = guest;
    this.#lastHeard = guest.clock.own();
    this.#listener = listener;
    this.#reader = new MessageReader(marks?.guestSeq);
    if (marks) {
      this.#seq = marks.hostSeq;
      this.#id = marks.id;
      this.#outputBytes = marks.outputBytes;
      this.#nextRecord = marks.nextRecord;
    }
    guest.ports.control.on('data', (chunk: Buffer) => this.#hear(chunk));
    guest.ports.ktap.on('data', (chunk: Buffer) => {
      this.#outputBytes += chunk.length;
      this.#listener.output(chunk);
      this.#onDelivery();
    });
    guest.ports.kmsg.on('data', (chunk: Buffer) => {
      const records = this.#kmsg.write(chunk);
      this.#nextRecord = (records.at(-1)?.seq ?? this.#nextRecord - 1) + 1;
      this.#listener.kernelLog(chunk, records);
      this.#onDelivery();
    });
    guest.console.on('data', (chunk: Buffer) => this.#listener.console(chunk));
    guest.exited.then((exit) => this.#lose({ why: 'exited', exit }));
  }

  /** Change the listener: a guest may run several tests, one after another. */
  tell(listener: Listener): void {
    this.#listener = listener;
  }

  marks(): Marks {
    return {
      guestSeq: this.#reader.seq,
      hostSeq: this.#seq,
      id: this.#id,
      outputBytes: this.#outputBytes,
      nextRecord: this.#nextRecord,
    };
  }

  /** Wait for the agent's first message. */
  async hello(timeout: number): Promise<Heard<GuestMessageOf<'hello'>>> {
    const heard = await this.#wait<'hello'>((message) => message.type === 'hello', timeout);
    if (heard.message && heard.message.protocol !== protocolVersion)
      return {
        loss: { why: 'broken', detail: `it speaks version ${heard.message.protocol} of the protocol` },
      };
    return heard;
  }

  /** Give the guest the host's time and fresh entropy. */
  async setup(timeout: number): Promise<Heard<GuestMessageOf<'ready'>>> {
    const id = ++this.#id;
    const timeNs = String(BigInt(Date.now()) * 1_000_000n);
    this.#send({ type: 'setup', id, time_ns: timeNs, entropy: randomBytes(64).toString('hex') });
    return this.#wait<'ready'>((message) => message.type === 'ready' && message.id === id, timeout);
  }

  /** Check that the agent answers. */
  async ping(timeout: number): Promise<Heard<GuestMessageOf<'pong'>>> {
    const id = ++this.#id;
    this.#send({ type: 'ping', id });
    return this.#wait<'pong'>((message) => message.type === 'pong' && message.id === id, timeout);
  }

  /**
   * Run a test program. It is killed when it reaches its limit.
   * @param onSettling called when its processes are gone and only the kernel is still waited for
   */
  async run(program: Program, testLimits: TestLimits, onSettling = () => {}): Promise<TestRun> {
    const id = ++this.#id;
    this.#reader.mayBeReplaced = program.generations > 1;
    this.#onSettling.set(id, onSettling);
    this.#send({ type: 'run', id, ...program, timeout_ms: testLimits.limitMs * maxStretch });
    return this.#whole(await this.#outcome(id, program.generation, testLimits));
  }

  /**
   * Run a test program until it waits in kiln_ready(). Returns null, or how it ended instead. All that it has said has
   * arrived.
   */
  async prepare(program: Program, testLimits: TestLimits): Promise<TestRun | null> {
    const id = ++this.#id;
    this.#send({ type: 'prepare', id, ...program, timeout_ms: testLimits.limitMs * maxStretch });
    const outcome = await this.#outcome(id, program.generation, testLimits);
    if (outcome.message?.type === 'waits' && (await this.#delivered(outcome.message))) return null;
    return this.#whole(outcome);
  }

  /** Let a program that waits in kiln_ready() go on, with other arguments; as run(). */
  async proceed(args: string[], testLimits: TestLimits, onSettling = () => {}): Promise<TestRun> {
    const id = ++this.#id;
    this.#onSettling.set(id, onSettling);
    this.#send({ type: 'proceed', id, args, timeout_ms: testLimits.limitMs * maxStretch });
    return this.#whole(await this.#outcome(id, 0, testLimits));
  }

  /** Wait for what comes of test `id` on the kernel `generation`. */
  async #outcome(id: number, generation: number, testLimits: TestLimits): Promise<Outcome> {
    const { limitMs, beginMs, graceMs } = testLimits;
    const { clock } = this.#guest;
    const isAnswer = (message: GuestMessage) =>
      (isOutcome(message) && message.id === id) ||
      (message.type === 'hello' && message.generation === generation + 1);
    const limit = new Limit(testLimits, clock.own(), () => this.#send({ type: 'kill', id: ++this.#id }));
    const time = {
      clock,
      left: () => limit.left(clock.own(), this.#begun.get(id)?.at ?? null, this.#lastHeard),
      most: (beginMs + limitMs + graceMs) * maxStretch,
    };
    const heard = await this.#wait<OutcomeType>(isAnswer, time);
    return { ...heard, begin: this.#begun.get(id)?.message ?? null, isOver: limit.isOver };
  }

  /** What a test's outcome says of its run, once everything that it announces has arrived. */
  async #whole({ message, loss, begin, isOver }: Outcome): Promise<TestRun> {
    const run = { begin, end: null, loss: null, incomplete: true, next: null };
    if (loss) return { ...run, loss };
    if (message.type === 'error') return { ...run, loss: { why: 'broken', detail: message.message } };
    if (message.type === 'waits') return { ...run, loss: { why: 'broken', detail: 'it waits for nothing' } };
    if (message.type === 'hello') return { ...run, next: message };
    const end = isOver && message.how === 'killed' ? { ...message, how: 'timeout' as const } : message;
    return { ...run, end, incomplete: !(await this.#delivered(end)) };
  }

  /**
   * Follow the guest to its next kernel, and restart the counters.
   * @param hello the next kernel's, if the guest has arrived there by itself; null to ask it to leave, as the test's
   * `end` requests
   */
  async follow(
    hello: GuestMessageOf<'hello'> | null,
    timeout: number,
  ): Promise<Heard<GuestMessageOf<'hello'>>> {
    const heard = hello ? { message: hello } : await this.#leave(timeout);
    // Bytes of the last kernel have arrived before the hello. Read them, before the counters restart.
    for (let turns = 0; turns < 4; turns++) await setImmediate();
    this.#seq = 0;
    this.#outputBytes = 0;
    this.#nextRecord = 0;
    this.#kmsg = new KmsgParser();
    return heard;
  }

  async #leave(timeout: number): Promise<Heard<GuestMessageOf<'hello'>>> {
    const id = ++this.#id;
    const isAnswer = (message: GuestMessage) =>
      message.type === 'hello' || (message.type === 'error' && message.id === id);
    this.#early = [];
    this.#send({ type: 'leave', id });
    const { message, loss } = await this.#wait<'hello' | 'error'>(isAnswer, timeout);
    if (loss) return { loss };
    return message.type === 'error' ? { loss: { why: 'refused', detail: message.message } } : { message };
  }

  /** Copy the files below a directory of the guest to `into`. Returns their paths and, on failure, the reason. */
  async fetch(
    dir: string,
    into: string,
    limit: number,
    timeout: number,
  ): Promise<{ files: string[]; problem: string | null }> {
    const id = ++this.#id;
    const announced = this.#wait<'got'>((message) => message.type === 'got' && message.id === id, timeout);
    this.#send({ type: 'get', id, dir, limit });
    const bytes = announced.then(({ message }) => message?.bytes ?? 0);
    const result = await extractFromGuest(
      this.#guest.ports.files,
      bytes,
      into,
      { limit, timeout },
      this.#guest.clock,
    );
    const { message, loss } = await announced;
    if (loss) return { ...result, problem: 'the guest was lost while its files were fetched' };
    return {
      ...result,
      problem:
        result.problem ??
        (message.truncated
          ? `files were left behind: more than ${limit} bytes, too deep, or named too long`
          : null),
    };
  }

  /** Unpack a tar archive below a directory of the guest. Returns null, or why it failed. */
  async send(archive: Buffer, dir: string, timeout: number): Promise<string | null> {
    const id = ++this.#id;
    const isAnswer = (message: GuestMessage) =>
      (message.type === 'ready' || message.type === 'error') && message.id === id;
    const answer = this.#wait<'ready' | 'error'>(isAnswer, timeout);
    this.#send({ type: 'put', id, dir, bytes: archive.length });
    this.#guest.ports.files.write(archive);
    const { message, loss } = await answer;
    if (loss) return 'the guest was lost while files were sent';
    return message.type === 'error' ? message.message : null;
  }

  /** Set the size of the console's terminal. Returns null, or why it failed. */
  async window({ rows, columns }: Window, timeout: number): Promise<string | null> {
    const id = ++this.#id;
    return this.#obeyed({ type: 'window', id, rows, columns }, timeout);
  }

  /** Start a shell on the console. The guest powers off when the shell exits. Returns null, or why it failed. */
  async shell(timeout: number): Promise<string | null> {
    const id = ++this.#id;
    return this.#obeyed({ type: 'shell', id }, timeout);
  }

  /** Ask the guest to power off, and wait for QEMU's exit. Returns false if that takes too long. */
  async powerOff(timeout: number): Promise<boolean> {
    this.#send({ type: 'poweroff' });
    const over = new AbortController();
    const late = runOut(countdown(timeout, this.#guest.clock), over.signal).then(() => false);
    return Promise.race([this.#guest.exited.then(() => true), late]).finally(() => over.abort());
  }

  async #obeyed(order: HostMessage & { id: number }, timeout: number): Promise<string | null> {
    const isAnswer = (message: GuestMessage) =>
      (message.type === 'ready' || message.type === 'error') && message.id === order.id;
    this.#send(order);
    const { message, loss } = await this.#wait<'ready' | 'error'>(isAnswer, timeout);
    if (loss) return 'detail' in loss ? loss.detail : 'the guest is gone';
    return message.type === 'error' ? message.message : null;
  }

  #send(message: HostMessage): void {
    const line = `${JSON.stringify({ seq: this.#seq + 1, ...message })}\n`;
    if (Buffer.byteLength(line) > maxLine)
      throw new KilnError(
        'bad-input',
        'the name or the arguments of a test are too long to be told to a guest',
      );
    this.#seq++;
    this.#guest.ports.control.write(line);
  }

  #hear(chunk: Buffer): void {
    if (this.#loss) return;
    this.#lastHeard = this.#guest.clock.own();
    try {
      for (const message of this.#reader.read(chunk)) this.#take(message);
    } catch (error) {
      this.#lose({ why: 'broken', detail: (error as Error).message });
    }
  }

  #take(message: GuestMessage): void {
    if (message.type === 'alive') return;
    if (message.type === 'begin') this.#begun.set(message.id, { message, at: this.#guest.clock.own() });
    if (message.type === 'settling') this.#onSettling.get(message.id)?.();
    const waiting = this.#waiting.find(({ matches }) => matches(message));
    if (waiting) waiting.resolve({ message });
    else if (message.type === 'hello') this.#early.push(message);
  }

  #lose(loss: Loss): void {
    this.#loss ??= loss;
    for (const { resolve } of this.#waiting) resolve({ loss: this.#loss });
  }

  /** @param timeout milliseconds on the guest's own clock */
  async #wait<T extends GuestMessage['type']>(
    matches: (message: GuestMessage) => boolean,
    timeout: number | Countdown,
  ): Promise<Heard<GuestMessageOf<T>>> {
    const early = this.#early.find(matches);
    if (early) return { message: early as GuestMessageOf<T> };
    if (this.#loss) return { loss: this.#loss };
    const { clock } = this.#guest;
    const began = clock.own();
    const time = typeof timeout === 'number' ? countdown(timeout, clock) : timeout;
    const over = new AbortController();
    const { promise, resolve } = Promise.withResolvers<Heard<GuestMessage>>();
    const waiting = { matches, resolve };
    this.#waiting.push(waiting);
    runOut(time, over.signal).then(() => resolve({ loss: this.#silence(clock.own() - began) }));
    const heard = await promise;
    over.abort();
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
    return heard as Heard<GuestMessageOf<T>>;
  }

  #silence(waited: number): Loss {
    const quiet = this.#guest.clock.own() - this.#lastHeard;
    const seconds = (ms: number) => `${Math.round(ms / 1000)} s`;
    return {
      why: 'silent',
      detail: `no answer within ${seconds(waited)}, last heard ${seconds(quiet)} ago`,
    };
  }

  /** Whether the bytes and records come that a message announced. */
  async #delivered({ ktap, kmsg }: { ktap: number; kmsg: number }): Promise<boolean> {
    const isWhole = () => this.#outputBytes >= ktap && this.#nextRecord >= kmsg;
    const over = new AbortController();
    this.#onDelivery = () => isWhole() && over.abort();
    this.#onDelivery();
    await runOut(countdown(limits.delivery, this.#guest.clock), over.signal);
    return isWhole();
  }
}
