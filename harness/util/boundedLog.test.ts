// SPDX-License-Identifier: MIT
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { BoundedLog } from './boundedLog.ts';

const digits = '0123456789'.repeat(10);

test('output within the limit is stored unchanged, to the last byte', async (t) => {
  t.is(await written(t, 100, 20, [digits]), digits);
  t.is(await written(t, 100, 20, ['', 'a\r\n', '\0', 'ö']), 'a\r\n\0ö');
  t.is(await written(t, 100, 20, []), '');
});

test('longer output loses its middle, with a line that has the number of missing bytes', async (t) => {
  const head = digits.slice(0, 10);
  const tail = digits.slice(-10);
  t.is(await written(t, 10, 10, [digits]), `${head}\n[kiln: 80 bytes left out here]\n${tail}`);
  t.is(await written(t, 10, 10, [...digits]), `${head}\n[kiln: 80 bytes left out here]\n${tail}`);
});

test('as much as head and tail together leaves no gap and no line', async (t) => {
  t.is(await written(t, 60, 40, [digits]), digits);
  t.is(await written(t, 60, 40, digits.match(/.{1,7}/g) ?? []), digits);
  t.regex(await written(t, 60, 39, [digits]), /\n\[kiln: 1 byte left out here\]\n/);
});

test('however it is cut, the head, the count and the tail are true', async (t) => {
  for (let size = 1; size <= 23; size++) {
    const text = await written(t, 13, 17, digits.match(new RegExp(`.{1,${size}}`, 'g')) ?? []);
    const [head, missing, tail] = text.split(/\n\[kiln: (\d+) bytes left out here\]\n/) as [
      string,
      string,
      string,
    ];
    t.is(head, digits.slice(0, 13));
    t.is(tail, digits.slice(13 + Number(missing)));
    t.true(tail.length >= 17 && tail.length < 17 + size, `chunks of ${size}`);
  }
});

test('every byte is counted, stored or not', async (t) => {
  const log = new BoundedLog(join(await scratch(t), 'log'), 10, 10);
  for (let i = 0; i < 100; i++) log.write(Buffer.from(digits));
  t.is(log.bytes, 10_000);
  await log.close();
});

test('a chunk that the caller uses again does not change the tail', async (t) => {
  const path = join(await scratch(t), 'log');
  const log = new BoundedLog(path, 0, 10);
  const chunk = Buffer.from('first');
  log.write(chunk);
  chunk.fill('X');
  await log.close();
  t.is(await readFile(path, 'utf8'), 'first');
});

test('close throws if the file can not be written', async (t) => {
  const log = new BoundedLog(join(await scratch(t), 'absent', 'log'), 10, 10);
  log.write(Buffer.from(digits));
  await t.throwsAsync(log.close(), { code: 'ENOENT' });
  const later = new BoundedLog(join(await scratch(t), 'absent', 'log'), 10, 10);
  await new Promise((resolve) => setTimeout(resolve, 50));
  later.write(Buffer.from(digits));
  await t.throwsAsync(later.close(), { code: 'ENOENT' });
});

test('close throws if the disk is full', async (t) => {
  const log = new BoundedLog('/dev/full', 10, 10);
  log.write(Buffer.from('x'));
  await t.throwsAsync(log.close(), { code: 'ENOSPC' });
});

async function written(t: ExecutionContext, limit: number, tail: number, chunks: string[]): Promise<string> {
  const path = join(await scratch(t), 'log');
  const log = new BoundedLog(path, limit, tail);
  for (const chunk of chunks) log.write(Buffer.from(chunk));
  await log.close();
  return readFile(path, 'utf8');
}

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
