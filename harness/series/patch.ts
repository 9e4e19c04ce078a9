// SPDX-License-Identifier: MIT

/** One patch as it came. */
export type Patch = {
  /** Names it in messages. */
  file: string;
  /** A mail that `git am` reads; in a range the names of a commit and its parent. */
  content: Buffer;
  /** n of [PATCH n/m], or the place in a range; null if the subject has none. */
  number: number | null;
  /** Decoded, in one line, with its [PATCH n/m]; empty if there is none. */
  subject: string;
  /** Without the angle brackets. */
  messageId: string | null;
};

/** A patch that is known by its file alone. */
export function barePatch(file: string, content: Buffer): Patch {
  return { file, content, number: null, subject: '', messageId: null };
}

/**
 * The file name of a patch that did not come in a file, as `git format-patch` forms it.
 * @param number from 1
 */
export function patchFile(number: number, subject: string, revision = 1): string {
  const words = subject.replace(/^(\[[^\]]*\]\s*)+/, '').replace(/[^A-Za-z0-9.]+/g, '-');
  const version = revision === 1 ? '' : `v${revision}-`;
  return `${version}${String(number).padStart(4, '0')}-${words.replace(/^-+|-+$/g, '').slice(0, 52)}.patch`;
}
