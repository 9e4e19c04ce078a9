// SPDX-License-Identifier: MIT
// Mails of made-up threads, for unit tests.

export type MadeMail = {
  subject: string;
  /** Message-ID without its domain. */
  id?: string;
  /** In-Reply-To, likewise. */
  to?: string;
  from?: string;
  /** Seconds after a fixed time; by default one more than the mail before. */
  at?: number;
  /** A file that the mail's diff adds a line to; null: there is no diff. */
  file?: string | null;
  /** In place of the message and the diff. */
  body?: string;
  headers?: string[];
};

/** A diff that adds a file with one line. */
export function addsFile(file: string, line = file): string {
  return `diff --git a/${file} b/${file}\nnew file mode 100644\n--- /dev/null\n+++ b/${file}\n@@ -0,0 +1 @@\n+${line}\n`;
}

/** One mail, without the line of an mbox before it. */
export function madeMail({
  subject,
  id,
  to,
  from = 'Ann <ann@example.org>',
  at = 0,
  ...rest
}: MadeMail): string {
  const { file = `${subject.replace(/\W+/g, '')}.c`, headers = plain } = rest;
  const body = rest.body ?? `Because.\n---\n${file === null ? '' : `\n${addsFile(file)}`}-- \n2.39.5\n`;
  const lines = [
    `From: ${from}`,
    `Date: ${new Date(Date.UTC(2026, 0, 1) + at * 1000).toUTCString()}`,
    `Subject: ${subject}`,
    ...(id === undefined ? [] : [`Message-ID: <${id}@example.org>`]),
    ...(to === undefined ? [] : [`In-Reply-To: <${to}@example.org>`]),
    ...headers,
  ];
  return `${lines.join('\n')}\n\n${body}`;
}

const plain = ['Content-Type: text/plain; charset=UTF-8', 'Content-Transfer-Encoding: 8bit'];

/** Mails as a mailbox, one a second. */
export function madeBox(mails: readonly MadeMail[]): Buffer {
  const texts = mails.map((mail, index) => madeMail({ at: index, ...mail }));
  return Buffer.from(texts.map((text) => `From x@example.org Thu Jan  1 00:00:00 2026\n${text}\n`).join(''));
}

/** Signed in the text itself: OpenPGP puts `- ` before each line that begins with a dash. */
export function clearsigned(text: string, { headers = 'Hash: SHA256', dashes = '- -' } = {}): string {
  const body = text.replace(/^-/gm, dashes);
  return [
    '-----BEGIN PGP SIGNED MESSAGE-----',
    headers,
    '',
    body.replace(/\n$/, ''),
    '-----BEGIN PGP SIGNATURE-----',
    '',
    'iHUEARYIAB0WIQ==',
    '=abcd',
    '-----END PGP SIGNATURE-----',
    '',
  ].join('\n');
}
