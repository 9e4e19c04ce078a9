// SPDX-License-Identifier: MIT
import { open, stat } from 'node:fs/promises';

/** The end of a text file: whole lines. `first`: the number of its first line, from 1. `bytes`: of the whole file. */
export type Ending = { text: string; first: number; bytes: number };

/** The last `most` bytes of a plain file, from the start of a line; null if it can't be read or is no plain file. */
export async function readEnd(path: string, most: number): Promise<Ending | null> {
  try {
    // Before it is opened: that would wait for the other end of a fifo.
    const info = await stat(path);
    if (!info.isFile()) return null;
    await using file = await open(path, 'r');
    let [tail, first] = [Buffer.alloc(0), 1];
    for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: 1 << 20 })) {
      tail = Buffer.concat([tail, chunk as Buffer]);
      if (tail.length <= most) continue;
      const cut = tail.indexOf('\n', tail.length - most - 1) + 1 || tail.length - most;
      for (let at = tail.indexOf('\n'); at !== -1 && at < cut; at = tail.indexOf('\n', at + 1)) first++;
      tail = tail.subarray(cut);
    }
    return { text: tail.toString(), first, bytes: info.size };
  } catch {
    return null;
  }
}
