// SPDX-License-Identifier: MIT
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { asKilnError, KilnError } from '../errors.ts';
import { lock, lockIfFree } from './lock.ts';

test('a lock that nobody holds is had at once, in directories made for it', async (t) => {
  const path = join(await scratch(t), 'a', 'b', 'lock');
  let waits = 0;
  for (let round = 0; round < 3; round++) {
    await using _held = await lock(path, { onWait: () => waits++ });
  }
  t.is(waits, 0);
});

test.serial('a flock that is slow to start is nobody’s lock', async (t) => {
  const dir = await scratch(t);
  const path = process.env.PATH;
  const slow = `#!/bin/sh\nsleep 1\nPATH='${path}' exec flock "$@"\n`;
  await writeFile(join(dir, 'flock'), slow, { mode: 0o755 });
  process.env.PATH = `${dir}:${path}`;
  t.teardown(() => {
    process.env.PATH = path;
  });
  let waits = 0;
  await using _held = await lock(join(dir, 'lock'), { onWait: () => waits++ });
  t.is(waits, 0);
});

test('only one holds a lock at a time', async (t) => {
  const path = join(await scratch(t), 'lock');
  let holders = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      await using _held = await lock(path);
      most = Math.max(most, ++holders);
      await setTimeout(20);
      holders--;
    }),
  );
  t.is(most, 1);
});

test('lockIfFree returns null while another process has the lock, shared or exclusive', async (t) => {
  const path = join(await scratch(t), 'lock');
  const { signal } = new AbortController();
  for (const shared of [true, false]) {
    await using _held = await lock(path, { shared });
    t.is(await lockIfFree(path, signal), null);
  }
  await using held = await lockIfFree(path, signal);
  t.not(held, null);
});

test('another process waits, calls onWait once, and goes on when the lock is free', async (t) => {
  const path = join(await scratch(t), 'lock');
  const held = await lock(path);
  const other = await start(t, path);
  t.is(await other.line(), 'waiting');
  await setTimeout(400);
  await held[Symbol.asyncDispose]();
  t.is(await other.line(), 'held');
});

test('kill -9 of the process that has the lock frees it', async (t) => {
  const path = join(await scratch(t), 'lock');
  const other = await start(t, path);
  t.is(await other.line(), 'held');
  const waiting = lock(path);
  t.is(await Promise.race([waiting, setTimeout(300, 'not yet')]), 'not yet');
  other.process.kill('SIGKILL');
  await using held = await waiting;
  t.truthy(held);
});

test('an abort ends the wait as an interruption and does not free the lock of the other process', async (t) => {
  const path = join(await scratch(t), 'lock');
  const held = await lock(path);
  const controller = new AbortController();
  const waiting = lock(path, { signal: controller.signal, onWait: () => controller.abort() });
  t.is(asKilnError(await t.throwsAsync(waiting)).code, 'interrupted');
  const third = lock(path);
  t.is(await Promise.race([third, setTimeout(300, 'not yet')]), 'not yet');
  await held[Symbol.asyncDispose]();
  await (await third)[Symbol.asyncDispose]();
});

test('an abort does not free a lock that was taken: it protects the teardown too', async (t) => {
  const path = join(await scratch(t), 'lock');
  const controller = new AbortController();
  const held = await lock(path, { signal: controller.signal });
  controller.abort();
  const other = lock(path);
  const first = await Promise.race([other.then(() => 'had'), setTimeout(500, 'not yet')]);
  await held[Symbol.asyncDispose]();
  await (await other)[Symbol.asyncDispose]();
  t.is(first, 'not yet');
});

test('several processes have a shared lock; an exclusive one waits for them', async (t) => {
  const path = join(await scratch(t), 'lock');
  const one = await lock(path, { shared: true });
  const two = await lock(path, { shared: true });
  const alone = lock(path);
  await one[Symbol.asyncDispose]();
  t.is(await Promise.race([alone, setTimeout(300, 'not yet')]), 'not yet');
  await two[Symbol.asyncDispose]();
  const held = await alone;
  const third = lock(path, { shared: true });
  t.is(await Promise.race([third, setTimeout(300, 'not yet')]), 'not yet');
  await held[Symbol.asyncDispose]();
  await (await third)[Symbol.asyncDispose]();
});

test('after an abort no lock is taken', async (t) => {
  const path = join(await scratch(t), 'lock');
  const error = await t.throwsAsync(lock(path, { signal: AbortSignal.abort() }));
  t.is(asKilnError(error).code, 'interrupted');
});

test('a path where no lock can be made is an infrastructure error', async (t) => {
  const running = lock('/proc/kiln.lock');
  const error = await t.throwsAsync<KilnError>(running, { instanceOf: KilnError, message: /can't lock/ });
  t.is(error.code, 'infrastructure');
  t.not(error.details.output, '');
});

/** Another Node process that takes the lock. `line` returns its next line of output. */
async function start(t: ExecutionContext, path: string) {
  const file = join(await scratch(t), 'script.ts');
  await writeFile(
    file,
    `import { lock } from '${pathToFileURL(join(import.meta.dirname, 'lock.ts'))}';
    await using held = await lock(${JSON.stringify(path)}, { onWait: () => console.log('waiting') });
    console.log('held');
    await new Promise((resolve) => setTimeout(resolve, 60_000));`,
  );
  const child: ChildProcess = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  // The iterator buffers lines that come before they are read.
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return { process: child, line: async () => String((await lines.next()).value) };
}

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
