// SPDX-License-Identifier: MIT

/** A fetched kernel archive: `tar` is on disk until `release` is called. */
export type Archive = { version: string; sha256: string; tar: string; release: () => Promise<void> };
