// SPDX-License-Identifier: MIT

type Waiting<T> = { weight: number; tag: T; grant: () => void };

/**
 * Lets so many at once, and so much weight, in the order in which they came. What is heavier than all that is
 * allowed goes alone.
 */
export class Turns<T> {
  readonly #places: number;
  readonly #weight: number;
  readonly #waiting: Waiting<T>[] = [];
  #taken = 0;
  #carried = 0;

  constructor(places: number, weight: number) {
    this.#places = places;
    this.#weight = weight;
  }

  /** Wait for a turn; disposing what comes back ends it. */
  async take(weight: number, tag: T): Promise<Disposable> {
    await new Promise<void>((grant) => {
      this.#waiting.push({ weight, tag, grant });
      this.#admit();
    });
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#taken--;
        this.#carried -= weight;
        this.#admit();
      },
    };
  }

  /** What the next ones wait for, in order. */
  next(count: number): T[] {
    return this.#waiting.slice(0, count).map(({ tag }) => tag);
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first && this.#fits(first.weight); first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#taken++;
      this.#carried += first.weight;
      first.grant();
    }
  }

  #fits(weight: number): boolean {
    return this.#taken === 0 || (this.#taken < this.#places && this.#carried + weight <= this.#weight);
  }
}
