// SPDX-License-Identifier: MIT
// What tests did last, and on what: which of them does a change affect?
import type { Verdict } from '../schema.ts';
import { plural, several } from '../util/plural.ts';
import { isBad } from './judge.ts';

/** Tests by name, `suite/test`. A key identifies what a test runs on: two runs with one key differ by chance only. */
export class LastVerdicts {
  readonly #last = new Map<string, { key: string; verdict: Verdict }>();

  /** Forget tests that are not there any more. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.#last.keys()) if (!names.has(name)) this.#last.delete(name);
  }

  note(name: string, key: string, verdict: Verdict): void {
    this.#last.set(name, { key, verdict });
  }

  failed(name: string): boolean {
    const last = this.#last.get(name);
    return last !== undefined && isBad(last.verdict);
  }

  /** Whether it has to run: it is new, runs on something else than last time, or failed. */
  isAffected(name: string, key: string): boolean {
    return this.#last.get(name)?.key !== key || this.failed(name);
  }

  get allPass(): boolean {
    return ![...this.#last.keys()].some((name) => this.failed(name));
  }

  /** `no test of 12 fails`, `1 of 12 tests fails: srvfs/races`. */
  describe(): string {
    const failed = [...this.#last.keys()].filter((name) => this.failed(name)).sort();
    if (failed.length === 0) return `no test of ${this.#last.size} fails`;
    const count = `${failed.length} of ${plural(this.#last.size, 'test')}`;
    return `${count} ${failed.length === 1 ? 'fails' : 'fail'}: ${several(failed)}`;
  }
}
