// SPDX-License-Identifier: MIT
// Pure but for what it is given to call: how long a test is waited for.

/** Milliseconds that the guest has for itself (guest/steal.ts). */
export type Patience = {
  /** From `run` to `begin`. */
  beginMs: number;
  /** From `begin` to its end, which the guest is then told to bring about. */
  limitMs: number;
  /** From then on. */
  graceMs: number;
  /** Without a word. The agent says something each second. */
  silenceMs: number;
};

/** The wait for one test's end. */
export class Limit {
  /** The test was not done at its limit. */
  isOver = false;
  readonly #patience: Patience;
  readonly #asked: number;
  readonly #onOver: () => void;

  /** @param asked when the test was asked for; all times are of the guest's own */
  constructor(patience: Patience, asked: number, onOver: () => void) {
    this.#patience = patience;
    this.#asked = asked;
    this.#onOver = onOver;
  }

  /** How much longer to wait. @param begun null: it has not begun yet */
  left(now: number, begun: number | null, heard: number): number {
    const { beginMs, limitMs, graceMs, silenceMs } = this.#patience;
    if (begun === null) return this.#asked + beginMs - now;
    const silence = heard + silenceMs - now;
    const rest = begun + limitMs - now;
    if (rest > 0) return Math.min(rest, silence);
    if (!this.isOver) {
      this.isOver = true;
      this.#onOver();
    }
    return Math.min(rest + graceMs, silence);
  }
}
