// SPDX-License-Identifier: MIT
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { KilnError } from '../errors.ts';
import { limits } from '../limits.ts';
import { type Clock, countdown, runOut, wallClock } from './steal.ts';

/** An event as QEMU sends it: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html */
export type QmpEvent = { event: string; data?: Record<string, unknown> };

type Waiting = { resolve: (value: unknown) => void; reject: (error: Error) => void };

/** QEMU's monitor. Each command has a deadline; `events` holds every event since the start. */
export class Qmp {
  readonly events: QmpEvent[] = [];
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #ready: Promise<unknown>;
  readonly #refuse: (error: Error) => void;
  #next = 1;

  /** @param clock for the deadlines */
  constructor(socket: Socket, clock: Clock = wallClock) {
    this.#socket = socket;
    this.#clock = clock;
    const greeting = Promise.withResolvers<void>();
    this.#refuse = greeting.reject;
    const lines = createInterface({ input: socket });
    lines.on('line', (line) => this.#read(line, greeting.resolve));
    lines.on('error', () => {}); // the socket's; 'close' follows
    socket.on('error', () => {});
    socket.on('close', () => this.#giveUp());
    this.#ready = greeting.promise.then(() => this.#send('qmp_capabilities', {}, limits.qemu));
    this.#ready.catch(() => {});
  }

  /** Run a command. @param timeout milliseconds until the answer */
  async execute(
    command: string,
    args: Record<string, unknown> = {},
    timeout = limits.qemu,
  ): Promise<unknown> {
    const late = this.#deadline(timeout, `QEMU's monitor did not come up within ${timeout} ms`);
    await Promise.race([this.#ready, late.promise]).finally(late.cancel);
    return this.#send(command, args, timeout);
  }

  /** Wait for a future event. @param timeout milliseconds */
  async event(matches: (event: QmpEvent) => boolean, timeout: number): Promise<QmpEvent> {
    const late = this.#deadline(timeout, `what QEMU was asked for was not done within ${timeout} ms`);
    const seen = Promise.withResolvers<QmpEvent>();
    const listener = (event: QmpEvent) => {
      if (matches(event)) seen.resolve(event);
    };
    const gone = () => seen.reject(closed());
    this.#listeners.add(listener);
    this.#socket.once('close', gone);
    return Promise.race([seen.promise, late.promise]).finally(() => {
      late.cancel();
      this.#listeners.delete(listener);
      this.#socket.off('close', gone);
    });
  }

  async #send(command: string, args: Record<string, unknown>, timeout: number): Promise<unknown> {
    if (this.#socket.destroyed) throw closed();
    const id = this.#next++;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    const late = this.#deadline(timeout, `QEMU did not answer ${command} within ${timeout} ms`);
    return Promise.race([answer, late.promise]).finally(() => {
      late.cancel();
      this.#waiting.delete(id);
    });
  }

  #read(line: string, greet: () => void): void {
    let message: Record<string, unknown>;
    try {
      message = JSON.parse(line);
    } catch {
      return; // cut off by QEMU's end; its exit says more
    }
    if ('QMP' in message) greet();
    else if (typeof message.event === 'string') {
      this.events.push(message as QmpEvent);
      for (const listener of this.#listeners) listener(message as QmpEvent);
    } else {
      const waiting = this.#waiting.get(Number(message.id));
      const error = message.error as { desc?: string } | undefined;
      if (error) waiting?.reject(new KilnError('infrastructure', `QEMU: ${error.desc ?? 'unknown error'}`));
      else waiting?.resolve(message.return);
    }
  }

  #deadline(timeout: number, message: string): { promise: Promise<never>; cancel: () => void } {
    const over = new AbortController();
    const promise = runOut(countdown(timeout, this.#clock), over.signal).then(() => {
      throw new KilnError('infrastructure', message);
    });
    promise.catch(() => {});
    return { promise, cancel: () => over.abort() };
  }

  #giveUp(): void {
    this.#refuse(closed());
    for (const { reject } of this.#waiting.values()) reject(closed());
  }
}

function closed(): KilnError {
  return new KilnError('infrastructure', "QEMU's monitor closed");
}
