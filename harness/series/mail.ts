// SPDX-License-Identifier: MIT
import { changesIn, diffStart, filesOf, holdsDiff, holdsSeveralMails, unflow } from './diff.ts';
import type { RawMail } from './mailbox.ts';
import { asUtf8, decodeText, type Headers, header, leaves, type Part, splitMail } from './mime.ts';
import type { Patch } from './patch.ts';
import { isEncrypted, isSigned, unsign } from './pgp.ts';
import { type Prerequisite, prerequisitesIn } from './prerequisite.ts';
import { parseSubject, type Subject } from './subject.ts';

/** A mail of a thread. */
export type Mail = {
  subject: Subject;
  /** Without the angle brackets. */
  messageId: string | null;
  /** The mails that it answers, the nearest first. */
  parents: string[];
  /** The sender, as in `From:`. */
  from: string;
  /** The sender's address in lower case. */
  author: string;
  /** Milliseconds; null if the mail has no date that can be read. */
  date: number | null;
  hasDiff: boolean;
  /** Paths that its diff touches. */
  files: ReadonlySet<string>;
  /** What `git am` is to read; only of a mail with a diff. */
  content: Buffer;
  /** See `Patch`. */
  recoded: Patch['recoded'];
  /** The commit that a line `base-commit:` names. */
  baseCommit: string | null;
  /** What a line `change-id:` names, by which b4 knows all versions of a series. */
  changeId: string | null;
  /** What its lines `prerequisite-…:` name. */
  prerequisites: Prerequisite[];
  /** git format-patch wrote it, and no mail system has touched it. */
  fromGit: boolean;
  /** Why it can't be a patch whatever its subject says; null: it can. */
  unreadable: string | null;
  /** What to say of it if a diff is missed in it. */
  whyNone: string;
  /** Sentences for the user about how its diff was read, without their subject. */
  notes: string[];
};

/** Bytes. The largest patches that are sent are a few megabytes of firmware. */
const maxMail = 64 * 1024 * 1024;

export function readMail({ envelope, content }: RawMail): Mail {
  const isLarge = content.length > maxMail;
  const { headers, body } = splitHeaders(isLarge ? content.subarray(0, 1024 * 1024) : content);
  const parts = isLarge ? [] : leaves(headers, body);
  const texts = parts.filter(({ isText }) => isText);
  const converted = mailText(texts, 'converted');
  const asSent = converted.converts.length > 0 ? mailText(texts, 'as-sent') : undefined;
  // git sends the bytes of the diff, whatever the encoding of the commit's message.
  const isOfGit = fromGit(envelope) || fromGit(content.toString('latin1', 0, 100)) || isSentByGit(headers);
  const [chosen, other] = asSent && isOfGit ? [asSent, converted] : [converted, asSent];
  const { text, notes, fault } = chosen;
  const hasDiff = holdsDiff(text);
  const subject = parseSubject(header(headers, 'subject'));
  const from = header(headers, 'from').replace(/\s+/g, ' ');
  const date = Date.parse(header(headers, 'date'));
  return {
    subject,
    messageId: ids(headers, 'message-id')[0] ?? null,
    parents: parentsOf(headers),
    from,
    author: (/<([^<>]*)>/.exec(from)?.[1] ?? from).trim().toLowerCase(),
    date: Number.isNaN(date) ? null : date,
    hasDiff,
    files: hasDiff ? filesOf(text) : new Set(),
    content: hasDiff ? forGit(headers, subject, from, text) : Buffer.alloc(0),
    recoded:
      other && hasDiff
        ? {
            content: forGit(headers, subject, from, other.text),
            how:
              other === asSent
                ? 'with the bytes of its diff as they were sent'
                : `with its diff converted from ${converted.converts.join(', ')} to UTF-8`,
          }
        : null,
    baseCommit: /^base-commit:\s*([0-9a-f]{7,64})\b/im.exec(text)?.[1] ?? null,
    changeId: /^change-id:[ \t]*(\S{1,200})[ \t]*$/im.exec(text)?.[1] ?? null,
    prerequisites: prerequisitesIn(text),
    fromGit: fromGit(envelope),
    unreadable: isLarge ? `larger than ${maxMail / 1024 / 1024} MiB` : fault,
    whyNone: `no diff in it${insteadOf(parts)}`,
    notes,
  };
}

/** Whether a mail begins with the line that git format-patch writes. */
function fromGit(text: string): boolean {
  return /^From [0-9a-f]{40}(?:[0-9a-f]{24})? Mon Sep 17 00:00:00 2001$/m.test(
    text.split('\n', 1)[0]!.trimEnd(),
  );
}

function isSentByGit(headers: Headers): boolean {
  return /^git-send-email\b/.test(header(headers, 'x-mailer'));
}

/** What a mail holds that Kiln does not read. */
function insteadOf(parts: Part[]): string {
  const has = (type: string) => parts.some((part) => part.type === type);
  if (has('message/rfc822')) return ', but other mails, which are not read: save each by itself';
  const isSecret = parts.some(({ content }) => isEncrypted(content.toString('latin1')));
  if (isSecret || has('application/pgp-encrypted')) return ', it is encrypted';
  return has('text/html') && !parts.some(({ isText }) => isText) ? ', only HTML' : '';
}

/** Whether git would read another text than the mail's, or none: for its charset, encoding, parts or signature. */
export function needsDecoding(content: Buffer): boolean {
  if (isSigned(content.toString('latin1'))) return true;
  const { headers } = splitHeaders(content);
  const type = headers.get('content-type')?.[0] ?? 'text/plain';
  const encoding = headers.get('content-transfer-encoding')?.[0] ?? '8bit';
  return !/^text\/plain(; *charset="?(utf-8|us-ascii)"?)?;?$/i.test(type) || !/^[78]bit$/i.test(encoding);
}

/** A bare diff has no headers, although its first lines may look like some. */
function splitHeaders(content: Buffer): { headers: Headers; body: Buffer } {
  const split = splitMail(content);
  const isMail = ['from', 'subject', 'date', 'message-id'].some((name) => split.headers.has(name));
  return isMail ? split : { headers: new Map(), body: content };
}

/** What becomes of a diff in another charset than UTF-8. The message above it is always converted. */
type Diffs = 'converted' | 'as-sent';

type MailText = {
  text: string;
  notes: string[];
  fault: string | null;
  /** The charsets from which bytes of a diff were converted. */
  converts: string[];
};

/**
 * The text of all parts that make the patch, as latin1: each character is a byte, in UTF-8 where the charset is known.
 */
function mailText(parts: Part[], diffs: Diffs): MailText {
  const read = parts.map((part) => readPart(part, diffs));
  const notes = read.flatMap(({ note }) => note ?? []);
  const unsigned = read.map(({ text }) => unsign(text));
  const texts = unsigned.map(({ text }) => text);
  const [first = '', ...others] = texts;
  const known = new Set([changesIn(first)]);
  // A patch may be attached to a mail that explains it, or that has it too; other attachments are logs and configs.
  const added = others.filter((text) => {
    const changes = changesIn(text);
    if (!holdsDiff(text) || known.has(changes)) return false;
    known.add(changes);
    return true;
  });
  const count = added.length + (holdsDiff(first) ? 1 : 0);
  if (count > 1) notes.push(`${count} of its parts hold a diff, and are taken as one patch`);
  return {
    text: [first, ...added].join('\n'),
    notes: [...new Set(notes)],
    converts: [...new Set(read.flatMap(({ converts }) => converts ?? []))],
    fault: [first, ...added].some(holdsSeveralMails)
      ? 'several mails in one, with no line "From …" between them as in an mbox'
      : (unsigned.find(({ fault }) => fault !== null)?.fault ?? null),
  };
}

function readPart(
  { content, charset, flowed }: Part,
  diffs: Diffs,
): { text: string; note?: string; converts?: string } {
  const { content: bytes, how } = asUtf8(content, charset);
  const utf8 = withoutCr(bytes.toString('latin1'));
  if (!holdsDiff(utf8)) return { text: utf8 };
  const changes = changesIn(utf8);
  const converts = how === 'converted' && /[^\0-\x7f]/.test(changes);
  const text = converts && diffs === 'as-sent' ? withDiffAsSent(utf8, content) : utf8;
  const isUnknown = how === 'unknown' && /[^\t\n\f\r -~]|~\{/.test(changes);
  const note =
    converts && diffs === 'converted'
      ? `its diff is converted from ${charset} to UTF-8`
      : isUnknown
        ? `its charset ${charset} is not known, the bytes of its diff are taken as they are`
        : undefined;
  return {
    text: flowed === 'no' ? text : unflow(text, flowed === 'delsp'),
    ...(note !== undefined && { note }),
    ...(converts && { converts: charset }),
  };
}

/** The message of a text in UTF-8, with the bytes of its diff, unless they are nothing like ASCII, as in UTF-16. */
function withDiffAsSent(utf8: string, sent: Buffer): string {
  const raw = withoutCr(sent.toString('latin1'));
  if (!holdsDiff(raw)) return utf8;
  return utf8.slice(0, diffStart(utf8)) + raw.slice(diffStart(raw));
}

/**
 * Mail may travel with CR LF. git writes no CR at the end of a hunk's header: if there is one, it is the mail's, else
 * it belongs to the file that is patched.
 */
export function withoutCr(text: string): string {
  if (!text.includes('\r\n')) return text;
  const marks = text.match(/(?<=\n)(?:@@ -\d|\+\+\+ )[^\n]*/g) ?? [];
  const isOfMail = marks.length === 0 || marks.every((line) => line.endsWith('\r'));
  return isOfMail ? text.replaceAll('\r\n', '\n') : text;
}

/** The mail in the one form that every version of git reads: one part, UTF-8, no transfer encoding. */
function forGit(headers: Headers, subject: Subject, from: string, text: string): Buffer {
  const at = diffStart(text);
  // git ends at a NUL in a message, and takes a line like that of an mbox for the next mail.
  const message = text
    .slice(0, at)
    .replaceAll('\0', '')
    .replace(/^From (?=.*\d:\d\d)/gm, '>From ');
  const id = ids(headers, 'message-id')[0];
  const date = header(headers, 'date');
  const lines = [
    `From: ${oneLine(from) || 'unknown <unknown@localhost>'}`,
    ...(date === '' ? [] : [`Date: ${oneLine(date)}`]),
    `Subject: ${oneLine(subject.text) || '(no subject)'}`,
    ...(id === undefined ? [] : [`Message-ID: <${oneLine(id)}>`]),
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=UTF-8',
    'Content-Transfer-Encoding: 8bit',
  ];
  return Buffer.concat([
    Buffer.from(`${lines.join('\n')}\n\n`, 'utf8'),
    Buffer.from(`${message}${text.slice(at)}${text.endsWith('\n') ? '' : '\n'}`, 'latin1'),
  ]);
}

function oneLine(text: string): string {
  return text.replace(/[\0\r\n]+/g, ' ');
}

/** In-Reply-To, then References from the last to the first. */
function parentsOf(headers: Headers): string[] {
  const own = ids(headers, 'message-id')[0];
  const all = [...ids(headers, 'in-reply-to').slice(0, 1), ...ids(headers, 'references').reverse()];
  const others = [...new Set(all)].filter((id) => id !== own);
  // The first mails of a long thread are its cover letters.
  return others.length > 24 ? [...others.slice(0, 20), ...others.slice(-4)] : others;
}

function ids(headers: Headers, name: string): string[] {
  const value = decodeText(Buffer.from((headers.get(name) ?? []).join(' ').slice(0, 100_000), 'latin1'), '');
  const found = [...value.matchAll(/<\s*([^<>\s]+)\s*>/g)].map(([, id]) => id!);
  const bare = /^[^\s<>]+@[^\s<>]+$/.exec(value.trim());
  return found.length === 0 && bare ? [bare[0]] : found;
}
