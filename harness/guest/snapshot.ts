// SPDX-License-Identifier: MIT
// Freeze a guest once, thaw it many times. QEMU's migration does it, with the memory left out: that stays in the
// template's file, which each fork maps privately.
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { KilnError } from '../errors.ts';
import { socketDirectory } from '../util/scratch.ts';
import type { Guest } from './guest.ts';
import { forkDescriptors } from './machine.ts';
import type { Qmp, QmpEvent } from './qmp.ts';

/** Milliseconds; on an idle machine freezing takes about ten and thawing five. */
const timeout = 20_000;

const capabilities = {
  capabilities: [
    { capability: 'x-ignore-shared', state: true },
    { capability: 'events', state: true },
  ],
};

/** Stop a template, write its devices' state to a file and end it. `still` is called while it stands still. */
export async function freeze(guest: Guest, path: string, still: () => Promise<void>): Promise<void> {
  const { qmp } = guest;
  await qmp.execute('stop');
  await still();
  await qmp.execute('migrate-set-capabilities', capabilities);
  await using undo = new AsyncDisposableStack();
  const scratch = undo.use(await socketDirectory());
  // QEMU 7.2 writes its state to no file, and its sandbox lets it start no program: it connects to a socket of ours.
  const address = join(scratch.path, 'state');
  const server = createServer();
  undo.defer(() => void server.close());
  server.listen(address);
  await once(server, 'listening');
  const connected = once(server, 'connection');
  await migrated(qmp, qmp.execute('migrate', { uri: `unix:${address}` }), async () => {
    const [socket] = await connected;
    await pipeline(socket, createWriteStream(path));
  });
  guest.kill();
  await guest.exited;
}

/** Bring a fork's QEMU to the point where it only lacks its state. */
export async function prepareThaw({ qmp }: Guest): Promise<void> {
  await qmp.execute('migrate-set-capabilities', capabilities);
}

/** Read the state from the descriptor that QEMU inherited; when this returns, the guest runs on. */
export async function thaw({ qmp }: Guest): Promise<void> {
  await migrated(qmp, qmp.execute('migrate-incoming', { uri: `fd:${forkDescriptors.state}` }));
}

/** @param receive takes what is sent; it ends when all has come */
async function migrated(qmp: Qmp, command: Promise<unknown>, receive?: () => Promise<void>): Promise<void> {
  const ended = qmp.event(({ event, data }) => event === 'MIGRATION' && isEnd(data), timeout);
  const [{ data }] = await Promise.all([ended, command, receive?.()]);
  if (data?.status !== 'completed')
    throw new KilnError('infrastructure', `QEMU's migration ended as ${data?.status}`);
}

function isEnd(data: QmpEvent['data']): boolean {
  return ['completed', 'failed', 'cancelled'].includes(String(data?.status));
}
