// SPDX-License-Identifier: MIT
// Notices changes of files.
import { watch } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { subscribe } from '@parcel/watcher';

/** Milliseconds without a change after which a series of changes is over: an editor writes a file in several steps. */
const quiet = 200;

/** Watches files, and all files below directories. Disposing it ends the watch. */
export class Changes implements AsyncDisposable {
  readonly #changed = new Set<string>();
  #events = 0;
  readonly #ends: (() => unknown)[] = [];
  #wake = () => {};

  /** @param places absolute paths that exist. What git stores about a repository (.git) is not watched */
  static async watch(places: readonly string[]): Promise<Changes> {
    const changes = new Changes();
    try {
      for (const place of places) await changes.#watch(place);
    } catch (error) {
      await changes[Symbol.asyncDispose]();
      throw error;
    }
    return changes;
  }

  /**
   * Wait for a change since the last call, and until nothing more changes. Returns absolute paths.
   * Throws the signal's reason.
   */
  async next(signal: AbortSignal): Promise<string[]> {
    const stop = () => this.#wake();
    signal.addEventListener('abort', stop);
    try {
      while (this.#changed.size === 0 && !signal.aborted)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      for (let before = -1; before !== this.#events && !signal.aborted; ) {
        before = this.#events;
        await setTimeout(quiet);
      }
      signal.throwIfAborted();
      const paths = [...this.#changed].sort();
      this.#changed.clear();
      return paths;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#ends.map((end) => end()));
  }

  async #watch(place: string): Promise<void> {
    if ((await stat(place)).isDirectory()) {
      // The package refuses a symbolic link.
      const real = await realpath(place);
      const subscription = await subscribe(
        real,
        // An error means that the kernel dropped events: anything may have changed.
        (error, events) =>
          this.#note(error ? [place] : events.map(({ path }) => place + path.slice(real.length))),
        { ignore: ['**/.git', '**/.git/**'] },
      );
      this.#ends.push(() => subscription.unsubscribe());
      return;
    }
    // The directory: an editor may replace the file by a new one, which a watch of the old one does not see.
    const watcher = watch(dirname(place), (_, name) => {
      if (name === basename(place)) this.#note([join(dirname(place), name)]);
    });
    this.#ends.push(() => watcher.close());
  }

  #note(paths: readonly string[]): void {
    if (paths.length === 0) return;
    for (const path of paths) this.#changed.add(path);
    this.#events++;
    this.#wake();
  }
}
