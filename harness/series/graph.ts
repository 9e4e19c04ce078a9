// SPDX-License-Identifier: MIT
// Which mail answers which.
import type { Mail } from './mail.ts';

/** The mails of a box by their In-Reply-To and References. */
export class Graph {
  readonly #byId = new Map<string, Mail>();
  readonly #roots = new Map<string, string>();
  #nameless = 0;
  readonly #keys = new Map<Mail, string>();

  constructor(mails: readonly Mail[]) {
    for (const mail of mails) {
      const key = mail.messageId ?? `nameless ${++this.#nameless}`;
      this.#keys.set(mail, key);
      if (mail.messageId !== null) this.#byId.set(mail.messageId, mail);
      for (const parent of mail.parents) this.#join(key, parent);
    }
  }

  /** Equal for mails of one thread, also where the mail that connects them is not in the box. */
  threadOf(mail: Mail): string {
    return this.#root(this.#keys.get(mail) ?? '');
  }

  byId(id: string): Mail | undefined {
    return this.#byId.get(id);
  }

  /** The mails in the box that this one answers, the nearest first. */
  *ancestors(mail: Mail): Generator<Mail> {
    const seen = new Set<Mail>([mail]);
    const next = [mail];
    for (let at = 0; at < next.length; at++)
      for (const id of next[at]!.parents) {
        const parent = this.#byId.get(id);
        if (parent === undefined || seen.has(parent)) continue;
        seen.add(parent);
        next.push(parent);
        yield parent;
      }
  }

  #root(key: string): string {
    let root = key;
    for (let up = this.#roots.get(root); up !== undefined; up = this.#roots.get(root)) root = up;
    // Shorten the path, so that a chain of thousands is walked once.
    for (let at = key; at !== root; ) {
      const up = this.#roots.get(at)!;
      this.#roots.set(at, root);
      at = up;
    }
    return root;
  }

  #join(a: string, b: string): void {
    const [from, to] = [this.#root(a), this.#root(b)];
    if (from !== to) this.#roots.set(from, to);
  }
}
