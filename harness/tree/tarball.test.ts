// SPDX-License-Identifier: MIT
// A web server of our own on the loopback interface stands for kernel.org.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { asKilnError, KilnError } from '../errors.ts';
import { quietContext } from '../testing/context.ts';
import { fetchTar } from './tarball.ts';

const bytes = Buffer.from('the bytes of an archive');
const sha256 = createHash('sha256').update(bytes).digest('hex');

test('a local file is used where it lies', async (t) => {
  const { context, dir } = await setup(t);
  const file = join(dir, 'linux.tar.xz');
  await writeFile(file, bytes);
  const archive = await fetchTar(`${file}#sha256=${sha256}`, context);
  t.deepEqual([archive.tar, archive.version, archive.sha256], [file, 'linux.tar.xz', sha256]);
  await archive.release();
  t.deepEqual(await readFile(file), bytes);
});

test('an archive from the web is downloaded, named by its last word, and gone after release', async (t) => {
  const { context, url, downloads } = await setup(t);
  const archive = await fetchTar(`${url}/pub/linux-6.12.tar.xz#sha256=${sha256}`, context);
  t.is(archive.version, 'linux-6.12.tar.xz');
  t.deepEqual(await readFile(archive.tar), bytes);
  await archive.release();
  t.deepEqual(await downloads(), []);
});

test('a download that is not what was meant leaves nothing behind', async (t) => {
  const { context, url, downloads } = await setup(t);
  const failed = async (wanted: string, code: KilnError['code'], message: RegExp) => {
    const error = await t.throwsAsync(fetchTar(wanted, context), { instanceOf: KilnError, message });
    t.is(error?.code, code);
    t.deepEqual(await downloads(), []);
  };
  const other = sha256.replaceAll(/./g, '0');
  await failed(
    `${url}/pub/linux.tar.xz#sha256=${other}`,
    'bad-input',
    /has the SHA-256 [0-9a-f]{64}, not 000/,
  );
  await failed(`${url}/absent`, 'infrastructure', /answers 404/);
  await failed(`${url}/torn`, 'infrastructure', /can't download/);
  await failed('http://127.0.0.1:1/x', 'infrastructure', /can't download/);
});

test('an abort during a download is an interruption and leaves nothing behind', async (t) => {
  const { context, url, downloads, server } = await setup(t);
  const controller = new AbortController();
  server.once('request', () => setTimeout(() => controller.abort(), 20));
  const error = await t.throwsAsync(fetchTar(`${url}/slow`, { ...context, signal: controller.signal }));
  t.is(asKilnError(error).code, 'interrupted');
  t.deepEqual(await downloads(), []);
});

async function setup(t: ExecutionContext) {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/pub/')) response.end(bytes);
    else if (request.url === '/torn') {
      response.writeHead(200, { 'content-length': 1_000_000 }).write(bytes);
      setTimeout(() => response.destroy(), 50);
    } else if (request.url === '/slow') response.writeHead(200).write(bytes);
    else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const cache = join(dir, 'cache');
  return {
    dir,
    server,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    context: quietContext(cache),
    downloads: () => readdir(join(cache, 'scratch')),
  };
}
