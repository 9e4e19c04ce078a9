// SPDX-License-Identifier: MIT
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { plural } from './plural.ts';

/**
 * A log file of bounded size, so that a guest can't fill the disk: it holds the first `limit` bytes, the last
 * `tail` bytes, and between them a line with the number of missing bytes.
 */
export class BoundedLog {
  /** Bytes written to this log, also those that the file does not hold. */
  bytes = 0;
  readonly #stream: WriteStream;
  readonly #limit: number;
  readonly #tailLimit: number;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #error: Error | undefined;

  constructor(path: string, limit = 8 * 1024 * 1024, tail = 256 * 1024) {
    this.#limit = limit;
    this.#tailLimit = tail;
    this.#stream = createWriteStream(path);
    this.#stream.on('error', (error) => {
      this.#error = error; // thrown by close()
    });
  }

  write(chunk: Buffer): void {
    const room = Math.max(0, this.#limit - this.bytes);
    this.bytes += chunk.length;
    if (room > 0) this.#stream.write(chunk.subarray(0, room));
    if (chunk.length > room) this.#addToTail(chunk.subarray(room));
  }

  /** Write the tail. Throws the first error of the file, also an earlier one. */
  async close(): Promise<void> {
    const missing = this.bytes - this.#limit - this.#tailBytes;
    if (missing > 0) this.#stream.write(`\n[kiln: ${plural(missing, 'byte')} left out here]\n`);
    for (const chunk of this.#tail) this.#stream.write(chunk);
    this.#stream.end();
    if (!this.#error) await finished(this.#stream);
    if (this.#error) throw this.#error;
  }

  #addToTail(chunk: Buffer): void {
    const bytes = chunk.subarray(Math.max(0, chunk.length - this.#tailLimit));
    this.#tail.push(Buffer.from(bytes));
    this.#tailBytes += bytes.length;
    while (this.#tail.length > 1 && this.#tailBytes - this.#tail[0]!.length >= this.#tailLimit)
      this.#tailBytes -= this.#tail.shift()!.length;
  }
}
