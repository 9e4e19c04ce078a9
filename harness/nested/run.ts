// SPDX-License-Identifier: MIT
// Runs a command on the machine: starts it, passes on what the command prints, and returns its exit code.
import { createWriteStream } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type Context, cacheDirectory } from '../context.ts';
import { KilnError } from '../errors.ts';
import { qemuMajor } from '../guest/qemuVersion.ts';
import { closed, connected, type Listening, listen } from '../guest/sockets.ts';
import { countdown, processOf, runOut, StealClock } from '../guest/steal.ts';
import { hostTsc } from '../guest/tsc.ts';
import { limits } from '../limits.ts';
import { paths } from '../paths.ts';
import { useCache } from '../util/cache.ts';
import { spawn } from '../util/exec.ts';
import { scratchDirectory, socketDirectory } from '../util/scratch.ts';
import { type L1, l1Argv, portNames, shareTag } from './machine.ts';
import { commandScript } from './script.ts';

/** `shares`: absolute. `console`: a file for the machine's console, or null. */
export type Job = { command: string[]; shares: string[]; console: string | null };

/** Run a command. Throws an infrastructure error if the machine does not get as far, or ends before the command. */
export async function runIn(kernel: string, job: Job, signal: AbortSignal): Promise<number> {
  const context: Context = { cache: cacheDirectory(), signal, progress: () => {}, note: () => {} };
  // The command reads the cache's entries by name.
  await using _cache = await useCache(context.cache, signal);
  await using scratch = await scratchDirectory(tmpdir());
  await writeJob(scratch.path, job);
  const l1: L1 = {
    kernel,
    qemuMajor: await qemuMajor(signal),
    tscKhz: await hostTsc(paths.images, context),
    init: join(paths.root, 'harness', 'nested', 'init.sh'),
    job: scratch.path,
    shares: job.shares,
  };
  return await runMachine(l1, job.console, signal);
}

async function writeJob(dir: string, { command, shares }: Job): Promise<void> {
  for (const path of shares) await requireDirectory(path);
  const lines = shares.map((path, index) => `${shareTag(index)} ${path}\n`);
  await writeFile(join(dir, 'shares'), lines.join(''));
  await writeFile(join(dir, 'user'), `${process.getuid?.() ?? 0} ${process.getgid?.() ?? 0}\n`);
  await writeFile(join(dir, 'command'), commandScript(command, process.cwd(), process.env));
}

async function requireDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  if (!(await stat(path)).isDirectory() || /[\n\\]/.test(path))
    throw new KilnError('usage', `--share ${path}: not a directory that can be shared`);
}

async function runMachine(l1: L1, consoleFile: string | null, signal: AbortSignal): Promise<number> {
  await using sockets = await socketDirectory();
  const listening: Listening[] = [];
  for (const name of portNames) listening.push(await listen(join(sockets.path, name)));
  const [qemu, ...argv] = l1Argv(l1, sockets.path) as [string, ...string[]];
  const child = spawn(qemu, argv, {
    endSignal: 'KILL',
    stdin: 'pipe',
    buffer: { stdout: false, stderr: true, all: false },
    all: false,
    killSignal: 'SIGKILL',
    cancelSignal: signal,
  });
  try {
    using clock = new StealClock(processOf(child.pid ?? 0));
    const seen = keepEnd(child.stdout as Readable, consoleFile);
    const ports = await connected(child, listening, clock);
    const [out, err, control] = ports as [Socket, Socket, Socket];
    out.pipe(process.stdout, { end: false });
    err.pipe(process.stderr, { end: false });
    const heard = hear(control);
    await untilReady(heard, clock, seen);
    await Promise.all([child, ...ports.map(closed)]);
    signal.throwIfAborted();
    const code = /^exit (\d+)$/m.exec(heard.text)?.[1];
    if (code === undefined) throw lost('the machine ended before the command', seen.text);
    return Number(code);
  } finally {
    child.kill('SIGKILL');
    await child;
    for (const { server } of listening) server.close();
  }
}

type Heard = { text: string; stream: Socket };

function hear(stream: Socket): Heard {
  const heard = { text: '', stream };
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    heard.text += chunk;
  });
  return heard;
}

async function untilReady(control: Heard, clock: StealClock, seen: { text: string }): Promise<void> {
  const over = new AbortController();
  const end = () => over.abort();
  control.stream.once('data', end).once('close', end);
  await runOut(countdown(limits.boot, clock), over.signal);
  if (!over.signal.aborted) throw lost(`the machine did not start within ${limits.boot / 1000} s`, seen.text);
}

function lost(message: string, console: string): KilnError {
  return new KilnError('infrastructure', message, {
    hint: '--console FILE keeps all that the machine says',
    details: { output: console.trim().split('\n').slice(-20).join('\n') },
  });
}

/** Characters of the console that an error may show. */
const end = 8192;

function keepEnd(stream: Readable, file: string | null): { text: string } {
  const seen = { text: '' };
  if (file !== null) stream.pipe(createWriteStream(file));
  stream.on('data', (chunk: Buffer) => {
    seen.text = (seen.text + chunk.toString('latin1')).slice(-end);
  });
  return seen;
}
