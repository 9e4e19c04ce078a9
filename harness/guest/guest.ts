// SPDX-License-Identifier: MIT
import type { FileHandle } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { type ChildResult, spawn } from '../util/exec.ts';
import { socketDirectory } from '../util/scratch.ts';
import { guestArgv, type Machine, type Origin, type PortName, portNames } from './qemu.ts';
import { Qmp, type QmpEvent } from './qmp.ts';
import { closed, connected, type Listening, listen } from './sockets.ts';
import { processOf, StealClock } from './steal.ts';

/** How QEMU ended. `events` holds all QMP events; the last ones say why. */
export type GuestExit = { code: number | null; signal: string | null; stderr: string; events: QmpEvent[] };

/** A running QEMU. Disposing kills it, if it still runs, and removes its sockets. */
export type Guest = AsyncDisposable & {
  argv: string[];
  /** QEMU's process. */
  pid: number;
  ports: Record<PortName, Socket>;
  console: Readable;
  /** The console's input. */
  keyboard: Writable;
  qmp: Qmp;
  /** Counts the time in which the host lets QEMU run. */
  clock: StealClock;
  exited: Promise<GuestExit>;
  kill: () => void;
};

/**
 * Start QEMU and wait until it is connected. Throws an infrastructure error if it does not start.
 * @param inherited files that QEMU gets as descriptors 3 and up
 */
export async function startGuest(
  machine: Machine,
  signal: AbortSignal,
  origin: Origin = { how: 'boot' },
  inherited: FileHandle[] = [],
): Promise<Guest> {
  await using undo = new AsyncDisposableStack();
  const sockets = undo.use(await socketDirectory()).path;
  const listening: Listening[] = [];
  undo.defer(() => {
    for (const { server } of listening) server.close();
  });
  for (const name of ['qmp', ...portNames]) listening.push(await listen(join(sockets, name)));
  const argv = guestArgv(machine, sockets, origin);
  const child = spawn(argv[0]!, argv.slice(1), {
    endSignal: 'KILL',
    // Node takes bare descriptor numbers anywhere in this list; execa's types don't.
    stdio: ['pipe', 'pipe', 'pipe', ...inherited.map(({ fd }) => fd as unknown as 'pipe')],
    buffer: { stdout: false, stderr: true, all: false },
    all: false,
    maxBuffer: 65_536,
    killSignal: 'SIGKILL',
    cancelSignal: signal,
  });
  undo.defer(async () => {
    child.kill('SIGKILL');
    await child;
  });
  const clock = undo.use(new StealClock(processOf(child.pid ?? 0)));
  const [qmpSocket, ...portSockets] = await connected(child, listening, clock);
  const qmp = new Qmp(qmpSocket!, clock);
  const ports = Object.fromEntries(portNames.map((name, index) => [name, portSockets[index]!]));
  const rest = undo.move();
  return {
    argv,
    pid: child.pid!,
    ports: ports as Record<PortName, Socket>,
    console: child.stdout as Readable,
    keyboard: child.stdin as Writable,
    qmp,
    clock,
    exited: child.then(async (result: ChildResult) => {
      // Data that QEMU wrote before it exited may still be in the sockets.
      await Promise.race([Promise.all(Object.values(ports).map(closed)), setTimeout(1000)]);
      return describeExit(result, qmp);
    }),
    kill: () => void child.kill('SIGKILL'),
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

function describeExit(result: ChildResult, qmp: Qmp): GuestExit {
  return {
    code: result.exitCode ?? null,
    signal: result.signal ?? null,
    stderr: String(result.stderr ?? ''),
    events: qmp.events,
  };
}
