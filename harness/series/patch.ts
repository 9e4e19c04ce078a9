// SPDX-License-Identifier: MIT

/** One patch as it came: a mail that `git am` reads. `file` names it in messages. */
export type Patch = { file: string; content: Buffer };
