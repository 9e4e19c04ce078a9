// SPDX-License-Identifier: MIT

/** As Promise.all, but when it throws, nothing runs on behind it: all have come to their end. */
export async function allEnded<T>(promises: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
