// SPDX-License-Identifier: MIT

/** A line without its end. `cut`: it was longer than the limit, and the rest was dropped. */
export type Line = {
  text: string;
  cut: boolean;
};

/** Splits a stream of bytes into lines of at most `limit` bytes. Invalid UTF-8 becomes U+FFFD. */
export class LineSplitter {
  readonly #limit: number;
  #parts: Buffer[] = [];
  #size = 0;
  #cut = false;

  constructor(limit: number) {
    this.#limit = limit;
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
    }
    if (room > 0 && part.length > 0) {
      const start = part.subarray(0, room);
      this.#parts.push(start);
      this.#size += start.length;
    }
  }

  #take(): Line {
    const text = Buffer.concat(this.#parts, this.#size).toString('utf8');
    const line = { text: text.endsWith('\r') ? text.slice(0, -1) : text, cut: this.#cut };
    this.#parts = [];
    this.#size = 0;
    this.#cut = false;
    return line;
  }
}

const newline = 0x0a;

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
