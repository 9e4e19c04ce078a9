// SPDX-License-Identifier: MIT

/**
 * A line without its end. `cut`: it was longer than the limit, and the rest was dropped but for its last bytes, which
 * are in `tail` if the splitter was asked for them. `watched`: how often the text that the splitter watches for began
 * or ended in the rest, its last bytes included.
 */
export type Line = {
  text: string;
  cut: boolean;
  tail?: string;
  watched?: number;
};

/** Splits a stream of bytes into lines of at most `limit` bytes. Invalid UTF-8 becomes U+FFFD. */
export class LineSplitter {
  readonly #limit: number;
  readonly #maxTail: number;
  readonly #watch: Buffer;
  #parts: Buffer[] = [];
  #size = 0;
  #cut = false;
  #tail = noBytes;
  #watched = 0;
  /** The bytes before the next ones: the text that is watched for may begin there. */
  #carry: Buffer = noBytes;

  /**
   * @param tail bytes to store of the end of a line that is cut
   * @param watch text to count in what is cut
   */
  constructor(limit: number, tail = 0, watch = '') {
    this.#limit = limit;
    this.#maxTail = tail;
    this.#watch = Buffer.from(watch);
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
      if (!this.#cut) {
        this.#carry = this.#last(Buffer.concat([...this.#parts.slice(-8), part.subarray(0, room)]));
      }
      this.#cut = true;
      this.#addTail(part.subarray(room));
      this.#watchFor(part.subarray(room));
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

  #watchFor(part: Buffer): void {
    if (this.#watch.length === 0) {
      return;
    }
    const bytes = Buffer.concat([this.#carry, part]);
    for (let at = bytes.indexOf(this.#watch); at !== -1; at = bytes.indexOf(this.#watch, at + 1)) {
      this.#watched++;
    }
    this.#carry = this.#last(bytes);
  }

  /** Too few bytes to hold the whole text, so that it is counted once. */
  #last(bytes: Buffer): Buffer {
    return bytes.subarray(Math.max(0, bytes.length - this.#watch.length + 1));
  }

  #take(): Line {
    const text = withoutReturn(Buffer.concat(this.#parts, this.#size).toString('utf8'));
    const tail = this.#tail.length > 0 ? { tail: withoutReturn(this.#tail.toString('utf8')) } : {};
    const line = { text, cut: this.#cut, ...tail, ...(this.#watched > 0 ? { watched: this.#watched } : {}) };
    this.#parts = [];
    this.#size = 0;
    this.#cut = false;
    this.#tail = noBytes;
    this.#watched = 0;
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
