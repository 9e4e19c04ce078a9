// SPDX-License-Identifier: MIT
// The harness listens, QEMU connects.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { KilnError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Child, ChildResult } from '../util/exec.ts';
import { countdown, runOut, type StealClock } from './steal.ts';

export type Listening = { server: Server; socket: Promise<Socket> };

/** Listen on a Unix socket for one connection. */
export async function listen(path: string): Promise<Listening> {
  const server = createServer();
  const socket = new Promise<Socket>((resolve) => {
    server.once('connection', (connection) => {
      connection.on('error', () => {}); // QEMU's exit is noticed by itself
      server.close();
      resolve(connection);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return { server, socket };
}

/** Wait until QEMU has connected to all sockets. Throws an infrastructure error if it does not. */
export async function connected(child: Child, listening: Listening[], clock: StealClock): Promise<Socket[]> {
  const ended = child.then((result: ChildResult) => {
    throw new KilnError('infrastructure', `QEMU did not start: ${lastWords(String(result.stderr ?? ''))}`, {
      hint: '`kiln doctor` checks QEMU and the accelerator',
      cause: result,
    });
  });
  ended.catch(() => {});
  const over = new AbortController();
  // QEMU connects before it starts the guest.
  const late = runOut(countdown(limits.qemu, clock), over.signal).then(() => {
    throw new KilnError('infrastructure', `QEMU did not start within ${limits.qemu / 1000} s`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([Promise.all(listening.map(({ socket }) => socket)), ended, late]);
  } finally {
    over.abort();
  }
}

/** Returns when all that came through a socket was read, and it is closed. */
export async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await once(socket, 'close').catch(() => {});
}

function lastWords(stderr: string): string {
  return stderr.trim().split('\n').slice(-3).join('; ') || 'it said nothing';
}
