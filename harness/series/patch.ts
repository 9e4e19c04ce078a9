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
  /**
   * The same with its diff in another encoding, where the base decides which one is right; null if there is none. `how`
   * completes "it applies".
   */
  recoded: { content: Buffer; how: string } | null;
};

/** A patch that is known by its file alone. */
export function barePatch(file: string, content: Buffer): Patch {
  return { file, content, number: null, subject: '', messageId: null, recoded: null };
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

/** The file's name, and what the subject has of version and number: `0002-x.patch (v2 2/5)`. */
export function namePatch({ file, subject }: Patch): string {
  const tag = [...subject.matchAll(/\[([^\]]*)\]/g)].map(([, inside]) => inside).join(' ');
  const place = /\b\d+\/\d+\b/.exec(tag)?.[0];
  const version = /\bv\d+\b/i.exec(tag)?.[0].toLowerCase();
  const known = [version, place].filter(Boolean).join(' ');
  return known === '' ? file : `${file} (${known})`;
}

/**
 * A line of the patch's diff as the user finds it: counted after the mail's header, if there is one.
 * @param line from 1
 */
export function lineInMail({ content }: Patch, diff: string, line: number): number {
  const mail = content.toString('utf8').replaceAll('\r\n', '\n');
  const body = /^(?:From |[A-Za-z-]+:)/.test(mail) ? mail.indexOf('\n\n') + 2 : 0;
  const at = mail.lastIndexOf(diff.replaceAll('\r\n', '\n').trimEnd());
  const before = at < body ? 0 : mail.slice(body, at).split('\n').length - 1;
  return before + line;
}
