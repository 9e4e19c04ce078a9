// SPDX-License-Identifier: MIT
// How long to wait for a test. Pure, apart from the callback.
import { limits } from '../limits.ts';

/** Milliseconds of the guest's own time (guest/steal.ts). */
export type TestLimits = {
  /** From `run` to `begin`. */
  beginMs: number;
  /** From `begin` until the guest is told to kill the test. */
  limitMs: number;
  /** From the kill until the guest must have reported the test's end. */
  graceMs: number;
  /** Without any message. The agent sends one each second. */
  silenceMs: number;
};

/** The limits of a test on one kernel. @param scale how many times the usual a guest as slow as this gets */
export function scaledLimits(limitMs: number, scale: number): TestLimits {
  return {
    limitMs,
    beginMs: limits.begin * scale,
    graceMs: limits.grace * scale,
    silenceMs: limits.silence * scale,
  };
}

/** The wait for one test's end. */
export class Limit {
  /** The test has reached its limit. */
  isOver = false;
  readonly #limits: TestLimits;
  readonly #asked: number;
  readonly #onOver: () => void;

  /** @param asked when the test was requested, on the guest's own clock */
  constructor(limits: TestLimits, asked: number, onOver: () => void) {
    this.#limits = limits;
    this.#asked = asked;
    this.#onOver = onOver;
  }

  /** How much longer to wait. @param begun null if the test has not begun yet */
  left(now: number, begun: number | null, heard: number): number {
    const { beginMs, limitMs, graceMs, silenceMs } = this.#limits;
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
