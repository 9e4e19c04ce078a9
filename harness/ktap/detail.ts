// SPDX-License-Identifier: MIT
import { plural } from '../util/plural.ts';

/**
 * The diagnostics since the last result, within a limit. Half of it is for the first lines, where assertions
 * are, and half for the last ones, which show what ended the test.
 */
export class DetailBuffer {
  readonly #limit: number;
  #head: string[] = [];
  #tail: string[] = [];
  #headSize = 0;
  #tailSize = 0;
  #left = 0;
  #running: string | null = null;

  /** @param limit in characters */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Add a line. @param hashes how many `# ` precede each line at this level */
  add(line: string, hashes: number): void {
    const text = stripHashes(line, hashes + 1);
    this.#running = runPattern.exec(text)?.[1] ?? this.#running;
    if (text.trim() === '' || framePattern.some((frame) => frame.test(text))) {
      return;
    }
    const start = text.slice(0, this.#limit / 2);
    if (this.#tail.length === 0 && this.#headSize + start.length <= this.#limit / 2) {
      this.#head.push(start);
      this.#headSize += start.length + 1;
      return;
    }
    this.#tail.push(start);
    this.#tailSize += start.length + 1;
    while (this.#tailSize > this.#limit / 2 && this.#tail.length > 1) {
      this.#tailSize -= (this.#tail.shift()?.length ?? 0) + 1;
      this.#left++;
    }
  }

  /** Returns the lines and clears the buffer. */
  take(): string[] {
    const left = this.#left > 0 ? [`[${plural(this.#left, 'line')} left out]`] : [];
    const lines = [...this.#head, ...left, ...this.#tail];
    this.#head = [];
    this.#tail = [];
    this.#headSize = 0;
    this.#tailSize = 0;
    this.#left = 0;
    this.#running = null;
    return lines;
  }

  /** Like take(), with a first line for the case that kselftest_harness.h started and that has no result. */
  takeTrailing(): string[] {
    const running = this.#running === null ? [] : [`RUN ${this.#running} ...`];
    return [...running, ...this.take()];
  }
}

// What kselftest.h, kselftest_harness.h and kunit print around results. It repeats what the results have.
const runPattern = /^ +RUN {2,}(\S.*) \.\.\.$/;
const framePattern = [
  runPattern,
  /^ +(?:OK|FAIL) {2}\S/,
  /^ +SKIP {6}/,
  /^Starting \d+ tests? from \d+ test cases?\.$/,
  /^(?:PASSED|FAILED): \d+ \/ \d+ tests passed\.$/,
  /^Planned tests != run tests \(/,
  /^(?:\S+: |Totals: )pass:\d+ fail:\d+ /,
];

function stripHashes(line: string, hashes: number): string {
  let text = line;
  for (let i = 0; i < hashes; i++) {
    text = text.replace(/^[ \t]*#(?: |$)/, '');
  }
  return text.trimEnd();
}
