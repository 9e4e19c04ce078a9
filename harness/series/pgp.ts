// SPDX-License-Identifier: MIT
// Text that is signed in itself, not as a part of its own: the cleartext signature of OpenPGP (RFC 4880, section 7).
import { holdsDiff } from './diff.ts';

const begin = '-----BEGIN PGP SIGNED MESSAGE-----';
const end = '-----BEGIN PGP SIGNATURE-----';

/** Whether the text, or a part of it, is signed. */
export function isSigned(text: string): boolean {
  return /^-----BEGIN PGP SIGNED MESSAGE-----\r?$/m.test(text);
}

/**
 * The text as it was before it was signed. The signature is not verified.
 * @param text with LF at the end of its lines
 * @returns `fault`: why a diff in it can't be trusted to be the one that was signed; null if it can
 */
export function unsign(text: string): { text: string; fault: string | null } {
  const at = text.startsWith(`${begin}\n`) ? 0 : text.indexOf(`\n${begin}\n`) + 1;
  if (at === 0 && !text.startsWith(begin)) return { text, fault: null };
  const headers = text.indexOf('\n\n', at);
  const body = headers + 2;
  const signature = text.indexOf(`\n${end}\n`, body - 1);
  const lines = text.slice(body, signature === -1 ? text.length : signature + 1).split('\n');
  const isEscaped = !text.slice(at, headers).includes('\nNotDashEscaped:');
  const signed = isEscaped ? lines.map((line) => line.replace(/^- /, '')).join('\n') : lines.join('\n');
  const rest = /\n-----END PGP SIGNATURE-----\n?/.exec(text.slice(signature));
  const after = signature === -1 || rest === null ? '' : text.slice(signature + rest.index + rest[0].length);
  const whole = `${text.slice(0, at)}${signed}${after}`;
  if (!holdsDiff(signed)) return { text: whole, fault: null };
  const fault =
    signature === -1
      ? 'signed by PGP, but cut off: there is no signature behind its text'
      : isEscaped && lines.some((line) => /^-(?! )/.test(line))
        ? 'signed by PGP, and changed after that: of its lines that begin with a dash, some are escaped and some not'
        : null;
  return { text: whole, fault };
}

/** Whether the text is an encrypted message. */
export function isEncrypted(text: string): boolean {
  return /^-----BEGIN PGP MESSAGE-----$/m.test(text);
}
