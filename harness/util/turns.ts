// SPDX-License-Identifier: MIT

type Waiting<T> = { weight: number; tag: T; grant: () => void };

/** Disposing it ends it. */
export type Turn = Disposable & {
  /** Give up the place, so that the next one comes in; the weight stays taken. */
  leavePlace: () => void;
  /** Wait for a place again, if it was given up. */
  retakePlace: () => Promise<void>;
};

/**
 * Lets so many at once, and so much weight, in the order in which they came. What is heavier than all that is
 * allowed goes alone.
 */
export class Turns<T> {
  readonly #places: number;
  readonly #weight: number;
  readonly #waiting: Waiting<T>[] = [];
  readonly #returning: (() => void)[] = [];
  /** Places. */
  #taken = 0;
  /** Turns under way, with a place or without. */
  #under = 0;
  #carried = 0;

  constructor(places: number, weight: number) {
    this.#places = places;
    this.#weight = weight;
  }

  /** Wait for a turn. */
  async take(weight: number, tag: T): Promise<Turn> {
    await new Promise<void>((grant) => {
      this.#waiting.push({ weight, tag, grant });
      this.#admit();
    });
    let hasPlace = true;
    let isOver = false;
    const leavePlace = () => {
      if (!hasPlace) return;
      hasPlace = false;
      this.#taken--;
      this.#admit();
    };
    const retakePlace = async () => {
      if (hasPlace) return;
      await new Promise<void>((grant) => {
        this.#returning.push(grant);
        this.#admit();
      });
      hasPlace = true;
    };
    const end = () => {
      if (isOver) return;
      isOver = true;
      this.#under--;
      this.#carried -= weight;
      leavePlace();
      this.#admit();
    };
    return { leavePlace, retakePlace, [Symbol.dispose]: end };
  }

  /** What the next ones wait for, in order. */
  next(count: number): T[] {
    return this.#waiting.slice(0, count).map(({ tag }) => tag);
  }

  #admit(): void {
    // Before all others, who may wait for the weight that these hold.
    while (this.#returning.length > 0 && this.#taken < this.#places) {
      this.#taken++;
      this.#returning.shift()!();
    }
    for (let first = this.#waiting[0]; first && this.#fits(first.weight); first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#taken++;
      this.#under++;
      this.#carried += first.weight;
      first.grant();
    }
  }

  #fits(weight: number): boolean {
    return this.#under === 0 || (this.#taken < this.#places && this.#carried + weight <= this.#weight);
  }
}
