// SPDX-License-Identifier: MIT
// Files that are fetched from a guest after a test.

/** A directory of the guest whose files are fetched after the test, and where they go below the guest's directory. */
export type Collected = {
  dir: string;
  into: string;
  /** Bytes of all its files. If there are more, the rest stays in the guest and the result has a problem. */
  limit: number;
};

/** Where a test leaves files for the host (docs/writing-a-test.md); the agent counts them. */
export const artifacts: Collected = { dir: '/run/artifacts', into: 'artifacts', limit: 64 * 1024 * 1024 };

/** What is fetched after each test, in this order. */
export const collected: readonly Collected[] = [artifacts];
