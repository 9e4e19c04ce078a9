// SPDX-License-Identifier: MIT
import { type AddressInfo, createServer } from 'node:net';
import type { ExecutionContext } from 'ava';

/** Listens on this machine until the test ends. `calls` tells how many connections came. */
export async function listener(t: ExecutionContext): Promise<{ port: number; calls: () => number }> {
  let calls = 0;
  const server = createServer((socket) => {
    calls++;
    socket.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return { port: (server.address() as AddressInfo).port, calls: () => calls };
}
