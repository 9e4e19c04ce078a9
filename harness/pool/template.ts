// SPDX-License-Identifier: MIT
// A template: a guest that was booted, heard and frozen. And the guests forked from it.
import { type FileHandle, open, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import { type Explained, explain } from '../channel/explain.ts';
import { type KmsgRecord, parseKmsg } from '../channel/kmsg.ts';
import { type Loss, type Marks, Session } from '../channel/session.ts';
import { scaledLimits } from '../channel/testLimit.ts';
import { KilnError } from '../errors.ts';
import { type Guest, startGuest } from '../guest/guest.ts';
import type { Hang } from '../guest/hang.ts';
import type { Machine, SetUp } from '../guest/qemu.ts';
import { freeze, prepareThaw } from '../guest/snapshot.ts';
import type { Load } from '../guest/steal.ts';
import { limits } from '../limits.ts';
import { slowness } from '../results/timing.ts';
import { readCachedJson } from '../util/files.ts';

/** A template's files, in its directory of the cache. */
const files = {
  memory: 'memory',
  state: 'state',
  info: 'template.json',
  console: 'console',
  kmsg: 'kmsg',
  output: 'output',
};

const count = z.int().nonnegative();
const marks = z.object({
  guestSeq: count,
  hostSeq: count,
  id: count,
  outputBytes: count,
  nextRecord: count,
}) satisfies z.ZodType<Marks>;
const milliseconds = z.number().nonnegative();
const load = z.object({
  elapsed: milliseconds,
  steal: milliseconds,
  stopped: milliseconds,
}) satisfies z.ZodType<Load>;
const infoSchema = z.object({ bootMs: count, release: z.string(), marks, load });

/** The logs of a boot; `output`: what the machine's set-up has printed, if it has one. */
export type BootLogs = { console: Buffer; kmsg: Buffer; records: KmsgRecord[]; output: Buffer };

/** A frozen guest. Its files stay open, so that they outlive their names. */
export type Template = AsyncDisposable & {
  /** CLOCK_BOOTTIME when the agent said hello, in milliseconds. */
  bootMs: number;
  /** `uname -r` */
  release: string;
  /** From QEMU's start to that hello. */
  load: Load;
  marks: Marks;
  logs: BootLogs;
  memory: FileHandle;
  state: FileHandle;
};

/** The guest that was to become a template was lost while it booted: the kernel's doing, with its logs. */
export class BootLost extends KilnError {
  readonly loss: Loss;
  readonly hang: Hang | null;
  readonly logs: BootLogs;
  readonly argv: string[];
  /** From QEMU's start to the loss. */
  readonly load: Load;

  constructor({ loss, hang }: Explained, logs: BootLogs, argv: string[], load: Load) {
    super('infrastructure', `the guest to be frozen was lost while it booted: ${describeLoss(loss)}`);
    this.loss = loss;
    this.hang = hang;
    this.logs = logs;
    this.argv = argv;
    this.load = load;
  }
}

/** The program of a machine's set-up has not come to kiln_ready(). */
export class SetUpFailed extends KilnError {
  constructor(how: string) {
    super('infrastructure', `the program did not come to kiln_ready(): ${how}`);
  }
}

function describeLoss(loss: Loss): string {
  if (loss.why !== 'exited') return loss.detail;
  const { signal, code, stderr } = loss.exit;
  // Its memory is a file: this is how a write to it learns of a full disk.
  if (signal === 'SIGBUS') return 'the disk that holds the cache is full';
  return signal
    ? `QEMU was killed by ${signal}`
    : `QEMU ended with ${code}: ${stderr.trim().split('\n').at(-1)}`;
}

/** Milliseconds in which the last output of a stopped guest arrives. */
const quiet = 50;
/**
 * Milliseconds in which the guest's clock is compared with the host's; longer, where the first were too short for a
 * busy machine. Meanwhile what boot has set going comes to rest.
 */
const clockWindows = [200, 1000, 3000];
const clockTolerance = 0.2;

/**
 * Boot a machine, freeze it when its agent waits for a test, or when its set-up is done, and put it into `dir`. Throws
 * BootLost if the agent's first word does not come, SetUpFailed, and an infrastructure error if QEMU can't freeze it.
 * @param bootTimeout milliseconds
 */
export async function makeTemplate(
  machine: Machine,
  dir: string,
  bootTimeout: number,
  signal: AbortSignal,
): Promise<void> {
  await using guest = await startGuest(machine, signal, {
    how: 'template',
    memory: join(dir, files.memory),
  });
  const said = { console: [] as Buffer[], kmsg: [] as Buffer[], output: [] as Buffer[] };
  const logs = () =>
    bootLogs(Buffer.concat(said.console), Buffer.concat(said.kmsg), Buffer.concat(said.output));
  const session = new Session(guest, {
    output: (chunk) => void said.output.push(chunk),
    console: (chunk) => void said.console.push(chunk),
    kernelLog: (chunk) => void said.kmsg.push(chunk),
  });
  const { message, loss } = await session.hello(bootTimeout);
  signal.throwIfAborted();
  const load = guest.clock.load();
  if (loss) {
    const explained = await explain(loss, guest, session, dirname(machine.kernel));
    signal.throwIfAborted();
    guest.kill();
    await guest.exited; // all that it said is evidence
    throw new BootLost(explained, logs(), guest.argv, load);
  }
  await checkClock(session, signal);
  if (machine.setUp) {
    await setUp(session, machine.setUp, slowness(message.boot_ms, load));
    signal.throwIfAborted();
  }
  await freeze(guest, join(dir, files.state), () => setTimeout(quiet));
  const { console, kmsg, output } = logs();
  await writeFile(join(dir, files.console), console);
  await writeFile(join(dir, files.kmsg), kmsg);
  await writeFile(join(dir, files.output), output);
  await writeFile(
    join(dir, files.info),
    JSON.stringify({ bootMs: message.boot_ms, release: message.release, load, marks: session.marks() }),
  );
}

/** Run a program to kiln_ready(). @param scale how many times its limit a guest as slow as this gets */
async function setUp(session: Session, { path, cwd, limit }: SetUp, scale: number): Promise<void> {
  const { loss } = await session.setup(limits.setup);
  const run =
    loss === undefined
      ? await session.prepare(
          { path, cwd, args: [], generation: 0, generations: 1 },
          scaledLimits(limit * 1000 * scale, scale),
        )
      : { loss, end: null };
  if (run === null) return;
  const { end } = run;
  if (end?.how === 'exit') throw new SetUpFailed(`it ended with exit code ${end.status}`);
  if (end?.how === 'signal') throw new SetUpFailed(`it was killed by signal ${end.status}`);
  throw new SetUpFailed(run.loss ? describeLoss(run.loss) : (end?.how ?? 'it left for another kernel'));
}

/**
 * A guest that booted on a busy machine may have taken the wrong measure of its clock (see guest/tsc.ts), and
 * so would all its forks: hung tasks, stalls, tests out of time. Throws an infrastructure error.
 */
async function checkClock(session: Session, signal: AbortSignal): Promise<void> {
  let rate = Number.NaN;
  for (const window of clockWindows) {
    const before = await tellTime(session);
    await setTimeout(window, undefined, { signal });
    const after = await tellTime(session);
    rate = (after.guest - before.guest) / (after.host - before.host);
    if (Math.abs(rate - 1) <= clockTolerance) return;
  }
  throw new KilnError('infrastructure', `the guest's clock runs at ${rate.toFixed(2)} times the host's`);
}

async function tellTime(session: Session): Promise<{ guest: number; host: number }> {
  const asked = performance.now();
  const { message, loss } = await session.ping(limits.answer);
  if (loss) throw new KilnError('infrastructure', `the guest to be frozen went away (${loss.why})`);
  return { guest: message.uptime_ms, host: (asked + performance.now()) / 2 };
}

/** The template in a directory, or undefined if there is no whole one. */
export async function openTemplate(dir: string): Promise<Template | undefined> {
  const { success, data: info } = infoSchema.safeParse(await readCachedJson(join(dir, files.info)));
  if (!success) return undefined;
  await using undo = new AsyncDisposableStack();
  try {
    const memory = undo.use(await open(join(dir, files.memory), 'r+'));
    const state = undo.use(await open(join(dir, files.state), 'r'));
    const [console, kmsg, output] = await Promise.all([
      readFile(join(dir, files.console)),
      readFile(join(dir, files.kmsg)),
      readFile(join(dir, files.output)),
    ]);
    const handles = undo.move();
    return {
      ...info,
      logs: bootLogs(console, kmsg, output),
      memory,
      state,
      [Symbol.asyncDispose]: () => handles.disposeAsync(),
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function bootLogs(console: Buffer, kmsg: Buffer, output: Buffer): BootLogs {
  return { console, kmsg, records: parseKmsg(kmsg), output };
}

/** Start a fork's QEMU; thaw() lets it run. */
export async function startFork(template: Template, machine: Machine, signal: AbortSignal): Promise<Guest> {
  // Opened anew: a descriptor that is passed on shares its position in the file with ours.
  await using state = await open(`/proc/self/fd/${template.state.fd}`, 'r');
  const guest = await startGuest(machine, signal, { how: 'fork' }, [state, template.memory]);
  try {
    await prepareThaw(guest);
    return guest;
  } catch (error) {
    await guest[Symbol.asyncDispose]();
    throw error;
  }
}
