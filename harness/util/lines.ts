// SPDX-License-Identifier: MIT

/**
 * A line without its end. `cut`: it was longer than the limit, and the rest was dropped but for its last bytes, which
 * are in `tail` if the splitter was asked for them.
 */
export type Line = {
  text: string;
  cut: boolean;
  tail?: string;
};

/** Splits a stream of bytes into lines of at most `limit` bytes. Invalid UTF-8 becomes U+FFFD. */
export class LineSplitter {
  readonly #limit: number;
  readonly #maxTail: number;
  #parts: Buffer[] = [];
  #size = 0;
  #cut = false;
  #tail = noBytes;

  /** @param tail bytes to store of the end of a line that is cut */
  constructor(limit: number, tail = 0) {
    this.#limit = limit;
    this.#maxTail = tail;
  }

  /** Yields the lines that this chunk completes. */
  *write(chunk: Uint8Array | string): Generator<Line> {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : asBuffer(chunk);
    let start = 0;
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      this.#add(bytes.subarray(start, end));
      yield this.#take();
      start = end + 1;
    }
    // Copied, because the caller may reuse its buffer.
    this.#add(Buffer.from(bytes.subarray(start)));
  }

  /** Yields the last line if it lacks its end. */
  *end(): Generator<Line> {
    if (this.#size > 0 || this.#cut) {
      yield this.#take();
    }
  }

  #add(part: Buffer): void {
    const room = this.#limit - this.#size;
    if (part.length > room) {
      this.#cut = true;
      this.#addTail(part.subarray(room));
    }
    if (room > 0 && part.length > 0) {
      const start = part.subarray(0, room);
      this.#parts.push(start);
      this.#size += start.length;
    }
  }

  #addTail(part: Buffer): void {
    if (this.#maxTail === 0) {
      return;
    }
    const last = part.subarray(-this.#maxTail);
    const room = this.#maxTail - last.length;
    this.#tail = Buffer.concat([room > 0 ? this.#tail.subarray(-room) : noBytes, last]);
  }

  #take(): Line {
    const text = withoutReturn(Buffer.concat(this.#parts, this.#size).toString('utf8'));
    const tail = this.#tail.length > 0 ? { tail: withoutReturn(this.#tail.toString('utf8')) } : {};
    const line = { text, cut: this.#cut, ...tail };
    this.#parts = [];
    this.#size = 0;
    this.#cut = false;
    this.#tail = noBytes;
    return line;
  }
}

function withoutReturn(text: string): string {
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}

const noBytes = Buffer.alloc(0);

const newline = 0x0a;

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
