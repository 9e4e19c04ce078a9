// SPDX-License-Identifier: MIT

/** A line without its end. `cut`: it was longer than the limit and the rest is gone. */
export interface Line {
  text: string;
  cut: boolean;
}

/** Splits bytes into lines as they come, holding at most `limit` bytes. Invalid UTF-8 becomes U+FFFD. */
export class LineSplitter {
  readonly #limit: number;
  #held: Buffer[] = [];
  #size = 0;
  #cut = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Yields the lines that this chunk completes. */
  *write(chunk: Uint8Array | string): Generator<Line> {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : asBuffer(chunk);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      this.#hold(bytes.subarray(start, end));
      yield this.#take();
      start = end + 1;
    }
    // A copy: the caller may use its buffer again.
    this.#hold(Buffer.from(bytes.subarray(start)));
  }

  /** Yields the last line if it lacks its end. */
  *end(): Generator<Line> {
    if (this.#size > 0 || this.#cut) {
      yield this.#take();
    }
  }

  #hold(part: Buffer): void {
    const room = this.#limit - this.#size;
    if (part.length > room) {
      this.#cut = true;
    }
    if (room > 0 && part.length > 0) {
      const kept = part.subarray(0, room);
      this.#held.push(kept);
      this.#size += kept.length;
    }
  }

  #take(): Line {
    const text = Buffer.concat(this.#held, this.#size).toString('utf8');
    const line = { text: text.endsWith('\r') ? text.slice(0, -1) : text, cut: this.#cut };
    this.#held = [];
    this.#size = 0;
    this.#cut = false;
    return line;
  }
}

const NEWLINE = 0x0a;

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
