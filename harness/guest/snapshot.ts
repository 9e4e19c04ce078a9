// SPDX-License-Identifier: MIT
// Freeze a guest once, thaw it many times. This is QEMU's migration without the memory, which stays in the template's
// file; each fork maps that copy-on-write.
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { KilnError } from '../errors.ts';
import { limits } from '../limits.ts';
import { socketDirectory } from '../util/scratch.ts';
import type { Guest } from './guest.ts';
import { forkDescriptors } from './qemu.ts';
import type { Qmp, QmpEvent } from './qmp.ts';

const capabilities = {
  capabilities: [
    { capability: 'x-ignore-shared', state: true },
    { capability: 'events', state: true },
  ],
};

/**
 * Stop a template, write its devices' state to a file, and end it.
 * @param path the file for the state
 * @param still called while the guest is stopped
 */
export async function freeze(guest: Guest, path: string, still: () => Promise<void>): Promise<void> {
  const { qmp } = guest;
  await qmp.execute('stop');
  await still();
  await qmp.execute('migrate-set-capabilities', capabilities);
  await using undo = new AsyncDisposableStack();
  const scratch = undo.use(await socketDirectory());
  // QEMU 7.2 can't migrate to a file, and its sandbox keeps it from starting a program: it sends to a socket of ours.
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

/** Prepare a fork's QEMU, so that only the state is missing. */
export async function prepareThaw({ qmp }: Guest): Promise<void> {
  await qmp.execute('migrate-set-capabilities', capabilities);
}

/** Have QEMU read the state from its inherited descriptor. The guest runs when this returns. */
export async function thaw({ qmp }: Guest): Promise<void> {
  await migrated(qmp, qmp.execute('migrate-incoming', { uri: `fd:${forkDescriptors.state}` }));
}

/** On an idle machine freezing takes about 10 ms, thawing about 5. @param receive reads the migration stream to its end */
async function migrated(qmp: Qmp, command: Promise<unknown>, receive?: () => Promise<void>): Promise<void> {
  const ended = qmp.event(({ event, data }) => event === 'MIGRATION' && isEnd(data), limits.qemu);
  const [{ data }] = await Promise.all([ended, command, receive?.()]);
  if (data?.status !== 'completed')
    throw new KilnError('infrastructure', `QEMU's migration ended as ${data?.status}`);
}

function isEnd(data: QmpEvent['data']): boolean {
  return ['completed', 'failed', 'cancelled'].includes(String(data?.status));
}
