// SPDX-License-Identifier: MIT
// A guest is played by the other end of a real Unix socket; its archives are made header by header.
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { Header, type HeaderData } from 'tar';
import { extractFromGuest } from './unpack.ts';

const limit = 100_000;

test('plain files arrive with their bytes, below directories made for them', async (t) => {
  const { files, problem, read } = await receive(t, [
    file('log', 'text'),
    file('a/b/c.txt', ''),
    file('./d', 'x'),
  ]);
  t.is(problem, null);
  t.is(files.length, 3);
  t.deepEqual([await read('log'), await read('a/b/c.txt'), await read('d')], ['text', '', 'x']);
});

test('an archive may come in bytes, and its length be said before, between or after them', async (t) => {
  const archive = Buffer.concat([file('log', 'text'.repeat(300)), closing]);
  for (const announceAt of [0, 700, archive.length]) {
    const { files, problem, read } = await receive(t, [archive], { chunk: 97, announceAt });
    t.deepEqual([files, problem], [['log'], null]);
    t.is((await read('log'))?.length, 1200);
  }
});

test('directories are made when a file needs them, and are no problem of their own', async (t) => {
  const { files, problem } = await receive(t, [
    entry({ path: 'a/', type: 'Directory', mode: 0o755 }),
    file('a/b', 'x'),
  ]);
  t.deepEqual([files, problem], [['a/b'], null]);
});

test('no files at all is an answer', async (t) => {
  t.like(await receive(t, [closing]), { files: [], problem: null });
});

for (const [what, bad] of [
  ['a path that climbs out', file('../evil', 'x')],
  ['a path that climbs out on its way', file('a/../../evil', 'x')],
  ['a path that ends in ..', file('a/..', 'x')],
  ['an absolute path', file('/tmp/kiln-evil', 'x')],
  ['a symbolic link', entry({ path: 'evil', type: 'SymbolicLink', linkpath: '/etc/passwd' })],
  ['a hard link', entry({ path: 'evil', type: 'Link', linkpath: '/etc/passwd' })],
  ['a character device', entry({ path: 'evil', type: 'CharacterDevice', devmaj: 1, devmin: 3 })],
  ['a block device', entry({ path: 'evil', type: 'BlockDevice', devmaj: 8, devmin: 0 })],
  ['a FIFO', entry({ path: 'evil', type: 'FIFO' })],
  ['a name with a newline', file('evil\nname', 'x')],
  ['a name with an escape', file('evil\x1b[31m', 'x')],
  ['a name with a space', file('evil name', 'x')],
  ['a file that is too large', file('evil', 'x'.repeat(limit + 1))],
] as const) {
  test(`refused: ${what}; what stands around it still comes`, async (t) => {
    const { files, problem, into, outside } = await receive(t, [
      file('before', '1'),
      bad,
      file('after', '2'),
    ]);
    t.deepEqual(files.toSorted(), ['after', 'before']);
    t.regex(problem ?? '', /a file was refused/);
    t.deepEqual((await readdir(into)).sort(), ['after', 'before']);
    t.deepEqual(await outside(), ['files', 'port']);
    await t.throwsAsync(access('/tmp/kiln-evil'));
  });
}

test('a file written through a link that is there already does not leave the directory', async (t) => {
  const { problem, outside } = await receive(t, [file('link/evil', 'x')], {
    prepare: (into) => symlink('..', join(into, 'link')),
  });
  t.deepEqual(await outside(), ['files', 'port']);
  t.truthy(problem);
});

test('more files than allowed are refused', async (t) => {
  const many = Array.from({ length: 1010 }, (_, index) => file(`f${index}`, ''));
  const { files, problem, into } = await receive(t, many, { limit: 2_000_000 });
  t.is(files.length, 1000);
  t.is((await readdir(into)).length, 1000);
  t.regex(problem ?? '', /too many/);
});

test('owner, set-id bits and time are not taken over', async (t) => {
  const data = { path: 'evil', uid: 12_345, gid: 12_345, mtime: new Date(0) };
  const { into } = await receive(t, [file('evil', 'x', { ...data, mode: 0o666 })]);
  const info = await stat(join(into, 'evil'));
  t.is(info.uid, process.getuid?.() ?? -1);
  t.true(info.mtimeMs > 1_000_000);
});

test('set-id bits and execution are not taken over', async (t) => {
  const { into } = await receive(t, [file('evil', 'x', { mode: 0o6777 })]);
  t.is((await stat(join(into, 'evil'))).mode & 0o7111, 0);
});

test('a torn stream is told, at every place where it may be torn', async (t) => {
  const archive = Buffer.concat([file('one', '1'.repeat(600)), file('two', '2'.repeat(600)), closing]);
  for (const length of [1, 100, 511, 513, 700, 1100, 2048, 2600]) {
    const { problem } = await receive(t, [archive.subarray(0, length)]);
    t.truthy(problem, `cut at ${length}`);
  }
});

test('a file that did not come whole is not among the files', async (t) => {
  const archive = Buffer.concat([file('one', '1'.repeat(600)), file('two', '2'.repeat(600))]);
  const { files } = await receive(t, [archive.subarray(0, 2300)]);
  t.deepEqual(files, ['one']);
});

test('garbage is told', async (t) => {
  const garbage = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919) % 251));
  const { files, problem } = await receive(t, [garbage]);
  t.deepEqual(files, []);
  t.truthy(problem);
});

test('a stream that stops is given up at its deadline', async (t) => {
  const { problem } = await receive(t, [file('one', 'x'.repeat(600)).subarray(0, 800)], {
    announced: 100_000,
    timeout: 200,
  });
  t.truthy(problem);
});

test('a guest that was lost before its first byte is no wait for ever', async (t) => {
  t.like(await receive(t, [], { announced: 0 }), { files: [] });
});

test('more bytes than announced do no harm', async (t) => {
  const archive = Buffer.concat([file('one', '1'), closing]);
  const { files } = await receive(t, [archive, Buffer.alloc(50_000, 'x'), Buffer.alloc(50_000, 'y')], {
    announced: archive.length,
    announceAt: 0,
    chunk: 512,
  });
  t.deepEqual(files, ['one']);
});

test('a flood of bytes is not written to the disk', async (t) => {
  const flood = [1, 2, 3].map((name) => file(`f${name}`, 'x'.repeat(900_000)));
  const { into, problem } = await receive(t, flood, { limit: 1_000_000 });
  t.true((await sizeOf(into)) <= 1_000_000 + 1_048_576);
  t.truthy(problem);
});

test('a compressed stream does not write more than the limit', async (t) => {
  const bomb = [1, 2, 3, 4, 5].map((name) => file(`f${name}`, 'x'.repeat(90_000)));
  const { into, problem } = await receive(t, [gzipSync(Buffer.concat([...bomb, closing]))]);
  t.true((await sizeOf(into)) <= limit);
  t.truthy(problem);
});

for (const [what, compress] of [
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
] as const) {
  for (const chunk of [1, 65_536]) {
    test(`${what} is told and not unpacked, in chunks of ${chunk}`, async (t) => {
      const archive = compress(Buffer.concat([file('one', 'x'), closing]));
      const { files, problem } = await receive(t, [archive], { chunk });
      t.deepEqual(files, []);
      t.truthy(problem);
    });
  }
}

test('the files are named in the order of the archive', async (t) => {
  const names = Array.from({ length: 50 }, (_, index) => `${index % 2 ? 'deep/er/' : ''}f${index}`);
  const { files } = await receive(
    t,
    names.map((name, index) => file(name, 'x'.repeat(index % 3 === 0 ? 1500 : 1))),
  );
  t.deepEqual(files, names);
});

type Options = {
  /** Bytes the guest says it sends; default: what it sends. */
  announced?: number;
  /** After how many bytes it says so; default: all. */
  announceAt?: number;
  chunk?: number;
  timeout?: number;
  limit?: number;
  prepare?: (into: string) => Promise<void>;
};

/** Let a guest send these bytes and receive them. */
async function receive(t: ExecutionContext, parts: Buffer[], options: Options = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const into = join(dir, 'files');
  await mkdir(into);
  await options.prepare?.(into);
  const { guest, port } = await connection(t, join(dir, 'port'));
  const bytes = Buffer.concat(parts);
  let announce = (_: number) => {};
  const announced = new Promise<number>((resolve) => {
    announce = resolve;
  });
  const limits = { limit: options.limit ?? limit, timeout: options.timeout ?? 50_000 };
  const extracting = extractFromGuest(port, announced, into, limits);
  const send = async () => {
    const chunk = options.chunk ?? 65_536;
    for (let from = 0; from < bytes.length; from += chunk) {
      if (from >= (options.announceAt ?? bytes.length)) announce(options.announced ?? bytes.length);
      guest.write(bytes.subarray(from, from + chunk));
      // The first chunk arrives alone.
      await new Promise((resolve) => setTimeout(resolve, from === 0 ? 30 : 0));
    }
    announce(options.announced ?? bytes.length);
  };
  const [result] = await Promise.all([extracting, send()]);
  return {
    ...result,
    into,
    read: (path: string) => readFile(join(into, path), 'utf8').catch(() => undefined),
    outside: async () => (await readdir(dir)).sort(),
  };
}

async function connection(t: ExecutionContext, path: string): Promise<{ guest: Socket; port: Socket }> {
  const server = createServer();
  server.listen(path);
  await once(server, 'listening');
  const port = connect(path);
  const [guest] = (await once(server, 'connection')) as [Socket];
  t.teardown(() => {
    guest.destroy();
    port.destroy();
    server.close();
  });
  return { guest, port };
}

/** The two empty blocks at an archive's end. */
const closing = Buffer.alloc(1024);

function entry(data: HeaderData, content = ''): Buffer {
  const header = Buffer.alloc(512);
  const size = Buffer.byteLength(content);
  new Header({ mode: 0o644, uid: 0, gid: 0, size, mtime: new Date(), ...data }).encode(header);
  return Buffer.concat([header, Buffer.from(content), Buffer.alloc((512 - (size % 512)) % 512)]);
}

function file(path: string, content: string, data: HeaderData = {}): Buffer {
  return entry({ path, type: 'File', ...data }, content);
}

async function sizeOf(dir: string): Promise<number> {
  const sizes = (await readdir(dir)).map(async (name) => (await stat(join(dir, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
