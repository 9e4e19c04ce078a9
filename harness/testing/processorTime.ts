// SPDX-License-Identifier: MIT

/** Milliseconds that this thread has used of a processor. A busy machine does not lengthen them, unlike the clock's. */
export function processorTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
