// SPDX-License-Identifier: MIT

/** Like Promise.all, but waits for all promises to settle before it throws: nothing still runs then. */
export async function allEnded<T>(promises: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
