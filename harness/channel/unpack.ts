// SPDX-License-Identifier: MIT
// Copies files out of a guest. The guest is untrusted: only plain files with harmless names are accepted, and their
// number and size are limited.
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { Parser, type ReadEntry } from 'tar';
import { type Clock, countdown, runOut, wallClock } from '../guest/steal.ts';

/** Files accepted from one guest. */
const maxFiles = 1000;

/** `files`: paths below the directory. `problem`: the first thing that went wrong. */
export type Extracted = { files: string[]; problem: string | null };

/**
 * Unpack one tar stream from the files port below `into`.
 * @param announced resolves to the stream's length in bytes once the guest has said it
 * @param limits `limit`: bytes of all files together; `timeout`: milliseconds
 * @param clock for the timeout
 */
export async function extractFromGuest(
  port: Socket,
  announced: Promise<number>,
  into: string,
  limits: { limit: number; timeout: number },
  clock: Clock = wallClock,
): Promise<Extracted> {
  const unpacking = new Unpacking(into, limits.limit);
  let received = 0;
  let total = Number.POSITIVE_INFINITY;
  const over = new AbortController();
  // Before anything is waited for: after an earlier stream the port flows on, and what nobody takes is gone.
  const arrived = new Promise<void>((resolve) => {
    const take = (chunk: Buffer) => {
      unpacking.write(chunk.subarray(0, Math.max(0, total - received)));
      received += chunk.length;
      if (received >= total) finish();
    };
    const finish = () => {
      over.abort();
      port.off('data', take);
      resolve();
    };
    runOut(countdown(limits.timeout, clock), over.signal).then(() => {
      if (over.signal.aborted) return;
      unpacking.complain('the files did not come in time');
      finish();
    });
    port.on('data', take);
    announced.then((bytes) => {
      total = bytes;
      if (received >= total) finish();
    });
  });
  await Promise.all([mkdir(into, { recursive: true }), arrived]);
  return unpacking.end();
}

/** Reads a tar archive and writes its acceptable files. Owner, mode and time are ignored. */
class Unpacking {
  readonly #into: string;
  readonly #parser: Parser;
  /** Each file's path once it is written, in the order of the archive; undefined if it could not be. */
  readonly #writing: Promise<string | undefined>[] = [];
  #room: number;
  #entries = 0;
  #seen: 'nothing' | 'tar' | 'compressed' = 'nothing';
  /** The first bytes, until there are enough to detect the format. */
  #held: Buffer = Buffer.alloc(0);
  #onlyZeros = true;
  #problem: string | null = null;

  constructor(into: string, limit: number) {
    this.#into = into;
    this.#room = limit;
    this.#parser = new Parser({
      strict: false,
      onReadEntry: (entry) => this.#take(entry),
      onwarn: (_code, message) => {
        // The tar module rejects an archive without files.
        if (this.#entries > 0 || !this.#onlyZeros) this.complain(`the archive is broken: ${String(message)}`);
      },
    });
  }

  write(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#held, chunk]);
    if (this.#seen === 'nothing') {
      this.#held = bytes;
      if (bytes.length < 2) return;
      // The tar module would decompress gzip and zstd, and so also a decompression bomb.
      this.#seen = [0x8b1f, 0xb528].includes(bytes.readUInt16LE(0)) ? 'compressed' : 'tar';
      this.#held = Buffer.alloc(0);
    }
    if (this.#seen === 'compressed') {
      this.complain('the archive is compressed');
      return;
    }
    this.#onlyZeros &&= bytes.every((byte) => byte === 0);
    this.#parser.write(bytes);
  }

  async end(): Promise<Extracted> {
    if (this.#held.length > 0) this.complain('the archive is broken: it ends in its first bytes');
    const done = new Promise<void>((resolve) => this.#parser.once('end', resolve));
    this.#parser.end();
    await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 5000).unref())]);
    const files = (await Promise.all(this.#writing)).filter((path) => path !== undefined);
    return { files, problem: this.#problem };
  }

  complain(problem: string): void {
    this.#problem ??= problem;
  }

  #take(entry: ReadEntry): void {
    this.#entries++;
    const { path, type, size } = entry;
    const tame = type === 'File' && isTamePath(path) && this.#writing.length < maxFiles;
    if (type !== 'Directory' && !tame)
      this.complain('a file was refused: no plain file with a plain name, or too many');
    if (tame && size > this.#room) this.complain('a file was refused: the files are too large');
    if (!tame || size > this.#room) return void entry.resume();
    this.#room -= size;
    const chunks: Buffer[] = [];
    entry.on('data', (chunk) => chunks.push(Buffer.from(chunk)));
    entry.on('end', () => {
      const bytes = Buffer.concat(chunks);
      if (bytes.length === size) this.#writing.push(this.#write(path, bytes));
    });
  }

  async #write(path: string, bytes: Buffer): Promise<string | undefined> {
    try {
      const dir = dirname(join(this.#into, path));
      await mkdir(dir, { recursive: true });
      // The directory is new and has no links. If there is one nevertheless, don't write through it.
      const inside = relative(await realpath(this.#into), await realpath(dir));
      if (inside.startsWith('..')) throw new Error('a link leads out of the directory');
      await writeFile(join(this.#into, path), bytes, { flag: 'wx' });
      return path;
    } catch (error) {
      this.complain(`${path} can't be written: ${(error as Error).message}`);
      return undefined;
    }
  }
}

function isTamePath(path: string): boolean {
  return /^[A-Za-z0-9._+=@:,-][A-Za-z0-9._+=@:,/-]*$/.test(path) && !path.split('/').includes('..');
}
