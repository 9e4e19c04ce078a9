// SPDX-License-Identifier: MIT
// A mail's headers and text, as bytes that need no more decoding. git's mailinfo does this too, but ends at a charset
// that iconv does not know, and takes a starting space off each line of a mail that calls itself flowed.

/** Names in lower case; values as they came, unfolded. */
export type Headers = Map<string, string[]>;

/** A leaf of the mail: its text without transfer encoding. */
export type Part = {
  type: string;
  charset: string;
  /** `delsp`: the space at the end of a line goes when the next one is joined to it. */
  flowed: 'no' | 'yes' | 'delsp';
  /** Text or a patch. */
  isText: boolean;
  content: Buffer;
};

/** More parts than any patch has; a forged mail can have a million. */
const maxParts = 200;
const maxDepth = 8;
/** Bytes. */
const maxHeaders = 1024 * 1024;

export function splitMail(mail: Buffer): { headers: Headers; body: Buffer } {
  let at = 0;
  while (at < Math.min(mail.length, maxHeaders)) {
    const end = mail.indexOf(newline, at);
    const line = mail.subarray(at, end === -1 ? mail.length : end);
    at = end === -1 ? mail.length : end + 1;
    if (line.length === 0 || (line.length === 1 && line[0] === 0x0d)) break;
  }
  return { headers: readHeaders(mail.toString('latin1', 0, at)), body: mail.subarray(at) };
}

function readHeaders(block: string): Headers {
  const headers: Headers = new Map();
  for (const field of block.replace(/\r\n/g, '\n').split(/\n(?![ \t])/)) {
    const label = /^([!-9;-~]+)[ \t]*:[ \t]*/.exec(field);
    if (!label) continue;
    const name = label[1]!.toLowerCase();
    const value = field.slice(label[0].length).replace(/\n/g, '').trim();
    const found = headers.get(name);
    if (found) found.push(value);
    else headers.set(name, [value]);
  }
  return headers;
}

/** The first header of that name, decoded; '' if there is none. */
export function header(headers: Headers, name: string): string {
  return decodeWords(headers.get(name)?.[0] ?? '');
}

/** The leaves, in order. A mail in the mail is one of them. @param type that a part has if it names none */
export function leaves(headers: Headers, body: Buffer, type = 'text/plain', depth = 0): Part[] {
  const { value, parameters } = readParameters(headers.get('content-type')?.[0] || type);
  const boundary = parameters.get('boundary');
  if (value.startsWith('multipart/') && boundary && depth < maxDepth)
    return splitParts(body, boundary)
      .flatMap((part) => {
        const inner = splitMail(part);
        const inherited = value === 'multipart/digest' ? 'message/rfc822' : 'text/plain';
        return leaves(inner.headers, inner.body, inherited, depth + 1);
      })
      .slice(0, maxParts);
  const name =
    parameters.get('name') ?? readParameters(disposition(headers)).parameters.get('filename') ?? '';
  const isPlain = /^text\/(?!html|calendar)|[/-](?:x-)?(?:patch|diff)$/.test(value) || value === '';
  const isText = isPlain || /\.(?:patch|diff|txt)$/i.test(name);
  const encoding = (headers.get('content-transfer-encoding')?.[0] ?? '')
    .toLowerCase()
    .replace(/[\s;(].*/, '');
  const charset = (parameters.get('charset') ?? '').toLowerCase();
  const isFlowed = parameters.get('format')?.toLowerCase() === 'flowed';
  const flowed = !isFlowed ? 'no' : parameters.get('delsp')?.toLowerCase() === 'yes' ? 'delsp' : 'yes';
  const content = isText ? decodeTransfer(body, encoding) : Buffer.alloc(0);
  return [{ type: value, charset, flowed, isText, content }];
}

function disposition(headers: Headers): string {
  return headers.get('content-disposition')?.[0] ?? '';
}

/** What stands between the boundary's lines. */
function splitParts(body: Buffer, boundary: string): Buffer[] {
  const mark = Buffer.from(`--${boundary}`, 'latin1');
  const parts: Buffer[] = [];
  let start = -1;
  for (let at = body.indexOf(mark); at !== -1; at = body.indexOf(mark, at + mark.length)) {
    if (at > 0 && body[at - 1] !== newline) continue;
    const behind = body.toString('latin1', at + mark.length, at + mark.length + 2);
    if (!/^(?:--|[ \t\r\n]|$)/.test(behind)) continue;
    if (start !== -1) parts.push(body.subarray(start, at));
    const end = body.indexOf(newline, at);
    if (behind === '--' || end === -1 || parts.length >= maxParts) return parts;
    start = end + 1;
  }
  if (start !== -1) parts.push(body.subarray(start));
  return parts;
}

function decodeTransfer(body: Buffer, encoding: string): Buffer {
  if (encoding === 'base64') return fromBase64(body.toString('latin1'));
  if (encoding !== 'quoted-printable') return body;
  const text = body.toString('latin1').replace(/(?<![ \t])[ \t]+(?=\r?$)/gm, '');
  return quotedPrintable(text.replace(/=\r?\n/g, ''));
}

/** Some mailers encode a body in chunks with padding behind each; some lists put a footer in plain text behind it. */
function fromBase64(text: string): Buffer {
  const lines = text.split('\n').map((line) => line.trim());
  const isEncoded = (line: string) => /^[A-Za-z0-9+/=]*$/.test(line);
  const end = lines.findIndex((line) => !isEncoded(line));
  const isFooter = end !== -1 && !lines.slice(end).some((line) => line.length >= 60 && isEncoded(line));
  const encoded = lines.slice(0, isFooter ? end : lines.length).join('');
  return Buffer.concat(encoded.split(/(?<==)(?=[^=])/).map((chunk) => Buffer.from(chunk, 'base64')));
}

function quotedPrintable(text: string): Buffer {
  const plain = text.replace(/=([0-9A-F]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(plain, 'latin1');
}

/** `text/plain; charset="utf-8"`; a value may be in pieces, `name*0*=utf-8''a%20; name*1=b`. */
function readParameters(text: string): { value: string; parameters: Map<string, string> } {
  const value = (/^[^;\s]*/.exec(text)?.[0] ?? '').toLowerCase();
  const parameters = new Map<string, string>();
  for (const [, name, quoted, bare] of text.matchAll(/;\s*([\w*-]+)\s*=\s*(?:"([^"]*)"|([^\s;]*))/g)) {
    const [key] = name!.toLowerCase().split('*') as [string];
    const isPiece = /\*[1-9]/.test(name!);
    parameters.set(key, `${(isPiece && parameters.get(key)) || ''}${quoted ?? bare ?? ''}`);
  }
  return { value, parameters };
}

/** RFC 2047's =?charset?q?text?=. Headers that are not encoded are UTF-8, as git takes them. */
export function decodeWords(raw: string): string {
  const joined = raw.replace(/(\?=)[ \t]+(?==\?)/g, '$1');
  const pattern = /=\?([^?\s]{1,60})\?([bq])\?([^?]*)\?=/gi;
  let result = '';
  let last = 0;
  // Words of one charset are put together first: a character may be cut in two.
  let run: { charset: string; bytes: Buffer[]; end: number } | undefined;
  const flush = () => {
    if (run) result += decodeText(Buffer.concat(run.bytes), run.charset);
    run = undefined;
  };
  for (const word of joined.matchAll(pattern)) {
    const [all, charset, how, text] = word as unknown as [string, string, string, string];
    const name = charset.toLowerCase().replace(/\*.*/, '');
    if (!run || run.end !== word.index || run.charset !== name) {
      flush();
      result += decodeText(Buffer.from(joined.slice(last, word.index), 'latin1'), '');
      run = { charset: name, bytes: [], end: 0 };
    }
    run.bytes.push(
      how.toLowerCase() === 'b' ? Buffer.from(text, 'base64') : quotedPrintable(text.replaceAll('_', ' ')),
    );
    run.end = word.index + all.length;
    last = run.end;
  }
  flush();
  return result + decodeText(Buffer.from(joined.slice(last), 'latin1'), '');
}

/** Text in the charset that it says; in UTF-8 if it is that, whatever it says, or if nothing knows the charset. */
export function decodeText(bytes: Buffer, charset: string): string {
  const decoder = findDecoder(bytes, charset);
  return typeof decoder === 'object' ? decoder.decode(bytes) : bytes.toString('utf8');
}

/**
 * The bytes as UTF-8. Bytes that are in no known charset stay as they are: they may be those of a file.
 */
export function asUtf8(
  bytes: Buffer,
  charset: string,
): { content: Buffer; how: 'as-is' | 'converted' | 'unknown' } {
  const decoder = findDecoder(bytes, charset);
  return typeof decoder === 'object'
    ? { content: Buffer.from(decoder.decode(bytes), 'utf8'), how: 'converted' }
    : { content: bytes, how: decoder };
}

type Decoder = { decode: (bytes: Buffer) => string };

function findDecoder(bytes: Buffer, charset: string): Decoder | 'as-is' | 'unknown' {
  if (/^(?:us-)?ascii$|^utf-?8$|^$/.test(charset)) return 'as-is';
  // Text in these charsets is ASCII: it has what the charset needs, or is falsely called that.
  const sign = /^utf-?16/.test(charset)
    ? '\0'
    : charset.startsWith('iso-2022')
      ? '\x1b'
      : charset.startsWith('hz')
        ? '~{'
        : undefined;
  if (isUtf8(bytes) && (sign === undefined || !bytes.includes(sign))) return 'as-is';
  try {
    const isBig = /^utf-?16$/.test(charset) && bytes[0] === 0xfe && bytes[1] === 0xff;
    return new TextDecoder(isBig ? 'utf-16be' : charset);
  } catch {
    return 'unknown';
  }
}

function isUtf8(bytes: Buffer): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

const strict = new TextDecoder('utf-8', { fatal: true });
const newline = 0x0a;
