// SPDX-License-Identifier: MIT
// The control port's messages, as docs/protocol.md describes them.
import { z } from 'zod';

export const protocolVersion = 1;
/** Bytes of a line, including the newline. */
export const maxLine = 65_536;

const natural = z.number().int().nonnegative();
const seq = natural;
const id = natural;

const fromGuest = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    seq,
    protocol: natural,
    generation: natural,
    release: z.string(),
    machine: z.string(),
    cmdline: z.string(),
    boot_ms: natural,
    cpus: natural,
    memory_kb: natural,
  }),
  z.object({ type: z.literal('ready'), seq, id }),
  z.object({ type: z.literal('begin'), seq, id, ktap: natural, kmsg: natural, taint: natural }),
  z.object({ type: z.literal('waits'), seq, id, ktap: natural, kmsg: natural }),
  z.object({ type: z.literal('alive'), seq, uptime_ms: natural }),
  z.object({ type: z.literal('settling'), seq, id }),
  z.object({
    type: z.literal('end'),
    seq,
    id,
    how: z.enum(['exit', 'signal', 'timeout', 'killed', 'exec', 'kexec', 'reboot']),
    status: natural,
    ktap: natural,
    kmsg: natural,
    taint: natural,
    duration_ms: natural,
    leftovers: natural,
    settled: z.boolean(),
    ready: z.boolean(),
    artifacts: natural,
  }),
  z.object({ type: z.literal('got'), seq, id, bytes: natural, truncated: z.boolean() }),
  z.object({ type: z.literal('pong'), seq, id, uptime_ms: natural }),
  z.object({ type: z.literal('error'), seq, id, message: z.string() }),
  z.object({ type: z.literal('bye'), seq }),
]);

/** A message from the guest. */
export type GuestMessage = z.infer<typeof fromGuest>;
export type GuestMessageOf<T extends GuestMessage['type']> = Extract<GuestMessage, { type: T }>;

type Start = {
  id: number;
  path: string;
  args: string[];
  cwd: string;
  timeout_ms: number;
  generation: number;
  generations: number;
};

/** A message from the host, before `seq` is added. */
export type HostMessage =
  | { type: 'setup'; id: number; time_ns: string; entropy: string }
  | { type: 'proceed'; id: number; args: string[]; timeout_ms: number }
  | ({ type: 'run' } & Start)
  | ({ type: 'prepare' } & Start)
  | { type: 'kill'; id: number }
  | { type: 'put'; id: number; dir: string; bytes: number }
  | { type: 'get'; id: number; dir: string; limit: number }
  | { type: 'window'; id: number; rows: number; columns: number }
  | { type: 'shell'; id: number }
  | { type: 'ping'; id: number }
  | { type: 'leave'; id: number }
  | { type: 'poweroff' };

/**
 * Splits the control port's bytes into checked messages. If the guest breaks the protocol, throws an error that says
 * how.
 */
export class MessageReader {
  /**
   * The agent may be replaced by that of the next kernel, which begins with a hello numbered 1. One incomplete message
   * before this hello is then ignored: the old kernel may have stopped in the middle of it.
   */
  mayBeReplaced = false;
  /** The number of the last message. */
  seq: number;
  #rest: Buffer = Buffer.alloc(0);
  #torn: Error | null = null;

  constructor(seq = 0) {
    this.seq = seq;
  }

  read(chunk: Buffer): GuestMessage[] {
    const messages: GuestMessage[] = [];
    let bytes = Buffer.concat([this.#rest, chunk]);
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
      if (end >= maxLine) throw new Error('it sent a line that is too long on the control port');
      messages.push(...this.#take(bytes.subarray(0, end).toString('utf8')));
      bytes = bytes.subarray(end + 1);
    }
    if (bytes.length >= maxLine) throw new Error('it sent a line that is too long on the control port');
    this.#rest = bytes;
    return messages;
  }

  #take(line: string): GuestMessage[] {
    try {
      const message = parse(line);
      const isReplaced = this.mayBeReplaced && message.type === 'hello' && message.seq === 1;
      if (!isReplaced && this.#torn) throw this.#torn;
      if (!isReplaced && message.seq !== this.seq + 1)
        throw new Error(`it sent message ${message.seq} where ${this.seq + 1} was due`);
      this.#torn = null;
      this.seq = message.seq;
      return [message];
    } catch (error) {
      if (!this.mayBeReplaced || this.#torn) throw this.#torn ?? error;
      this.#torn = error as Error;
      return [];
    }
  }
}

function parse(line: string): GuestMessage {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new Error('it sent a line that is no JSON on the control port');
  }
  const message = fromGuest.safeParse(json);
  if (!message.success) throw new Error('it sent a message that the protocol does not know');
  return message.data;
}
