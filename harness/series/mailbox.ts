// SPDX-License-Identifier: MIT
// The mails of a mailbox. git's mailsplit begins a mail at each line like `From x 00:00:00 1970`; here headers must
// follow it, so that such a line in a commit message does not tear the mail.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { interrupted, KilnError } from '../errors.ts';
import { describeEnd, spawn } from '../util/exec.ts';
import { readPlain } from '../util/files.ts';

/** One mail of a box; `envelope` is mbox's line before it, or ''. */
export type RawMail = { envelope: string; content: Buffer };

/** Bytes of a box when it is unpacked; a thread of the kernel's lists has a few megabytes. */
const maxBox = 1024 * 1024 * 1024;

/** The mails of an mbox file (plain, .gz or .xz), of a file with one mail, or of a maildir. */
export async function readMailbox(
  path: string,
  isMaildir: boolean,
  signal?: AbortSignal,
): Promise<RawMail[]> {
  if (!isMaildir) return splitMbox(await readBox(path, signal));
  const files: string[] = [];
  for (const sub of ['cur', 'new']) files.push(...(await mailsIn(join(path, sub))));
  // A maildir's names begin with the time of delivery.
  const byName = files.sort((a, b) => compare(a.slice(path.length + 5), b.slice(path.length + 5)));
  const mails: RawMail[] = [];
  for (const file of byName) {
    signal?.throwIfAborted();
    mails.push({ envelope: '', content: await readOrRefuse(file) });
  }
  return mails;
}

/** The files of a directory of a maildir; those that begin with a dot are none of its mails. */
async function mailsIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw unreadable(dir, error);
  });
  return entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => join(dir, name));
}

async function readOrRefuse(path: string): Promise<Buffer> {
  return readPlain(path).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(path, cause);
  });
}

function unreadable(path: string, cause: NodeJS.ErrnoException): KilnError {
  if (cause instanceof KilnError) return cause;
  const why = cause.message.replace(/, \w+( '.*')?$/, '');
  return new KilnError('bad-input', `${path} can't be read: ${why}`, {
    hint: 'is the name right, and may you read the file?',
    cause,
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1;
}

/** The bytes of a file of mails, unpacked if it is compressed. What can hold no mail is a bad-input. */
export async function readBox(path: string, signal?: AbortSignal): Promise<Buffer> {
  signal?.throwIfAborted();
  const packed = await readOrRefuse(path);
  const how = packingOf(path, packed);
  if (how === undefined) return asText(path, packed);
  const bytes = await unpack(path, async () => (how === 'gzip' ? gunzipped(packed) : unxz(path, signal)));
  if (packingOf(path, bytes) !== undefined) throw noMail(path, 'compressed twice', 'unpack it first');
  return asText(path, bytes);
}

function packingOf(path: string, bytes: Buffer): 'gzip' | 'xz' | undefined {
  const magic = bytes.toString('latin1', 0, 6);
  if (magic.startsWith('\x1f\x8b')) return 'gzip';
  if (magic === '\xfd7zXZ\0') return 'xz';
  const other = [
    ['BZh', 'bzip2'],
    ['\x28\xb5\x2f\xfd', 'zstd'],
    ['PK\x03\x04', 'zip'],
  ].find(([start]) => magic.startsWith(start!));
  if (other)
    throw noMail(
      path,
      `compressed with ${other[1]}`,
      'Kiln reads plain, .gz and .xz mailboxes: unpack it first',
    );
  return undefined;
}

/** Without the byte order mark of UTF-8. */
function asText(path: string, bytes: Buffer): Buffer {
  const start = bytes.toString('latin1', 0, 1024);
  if (/^(?:\xff\xfe|\xfe\xff)/.test(start))
    throw noMail(
      path,
      'in UTF-16',
      'PowerShell’s > changes what git prints: let git write the file (format-patch -o DIR, or --output=FILE)',
    );
  if (bytes.toString('latin1', 257, 262) === 'ustar')
    throw noMail(path, 'an archive of files', 'unpack it, and give the directory or the mailbox in it');
  if (/^\s*<(?:!doctype|html|\?xml)\b/i.test(start))
    throw noMail(
      path,
      'a page, not a mail',
      'get the mails: an archive of public-inbox has them at URL-OF-THE-MAIL/t.mbox.gz; or give lore:MESSAGE-ID',
    );
  if (/^[^\n]*\r[^\n]*\r(?!\n)/.test(start) && !bytes.includes('\n'))
    throw noMail(path, 'in lines that end with CR', 'save it with lines that end with LF or CR LF');
  return start.startsWith('\xef\xbb\xbf') ? bytes.subarray(3) : bytes;
}

function noMail(path: string, what: string, hint: string): KilnError {
  return new KilnError('bad-input', `${path} is ${what}`, { hint });
}

async function unpack(path: string, run: () => Promise<Buffer>): Promise<Buffer> {
  return run().catch((cause) => {
    if (cause instanceof KilnError) throw cause;
    const isLarge = cause?.code === 'ERR_BUFFER_TOO_LARGE';
    throw new KilnError(
      'bad-input',
      isLarge ? `${path} is larger than 1 GiB when it is unpacked` : `${path} can't be unpacked`,
      { hint: isLarge ? 'give a box with one thread' : 'it is damaged: fetch it again', cause },
    );
  });
}

async function gunzipped(bytes: Buffer): Promise<Buffer> {
  return promisify(gunzip)(bytes, { maxOutputLength: maxBox });
}

async function unxz(path: string, signal?: AbortSignal): Promise<Buffer> {
  const child = spawn('xz', ['-dc', '--', path], {
    stdin: 'ignore',
    buffer: false,
    encoding: 'buffer',
    ...(signal && { cancelSignal: signal }),
  });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of child.stdout! as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBox) {
      child.kill();
      break;
    }
    chunks.push(chunk);
  }
  const result = await child;
  if (result.isCanceled) throw interrupted();
  if (size > maxBox) throw Object.assign(new Error('too large'), { code: 'ERR_BUFFER_TOO_LARGE' });
  // setpriv's code for a program that is not there.
  if (result.exitCode === 127) throw new KilnError('infrastructure', `xz ${describeEnd(result)}`);
  if (result.exitCode !== 0) throw new Error(`xz ${describeEnd(result)}`);
  return Buffer.concat(chunks);
}

/** Mails begin at `From ` lines that headers follow; a box that does not begin with one is one mail. */
export function splitMbox(box: Buffer): RawMail[] {
  const first = box.findIndex((byte) => byte > 0x20);
  if (first === -1) return [];
  if (!isEnvelope(box, first)) return [{ envelope: '', content: box }];
  // In mboxrd, a line of a mail that begins with From is quoted.
  const mark = box.toString('latin1', first, first + 14) === mboxrd ? mboxrd : 'From ';
  const starts = [first];
  for (let at = box.indexOf(`\n${mark}`, first); at !== -1; at = box.indexOf(`\n${mark}`, at + 1))
    if (isEnvelope(box, at + 1)) starts.push(at + 1);
  return starts.map((start, index) => {
    const lineEnd = box.indexOf(newline, start);
    const content = box.subarray(lineEnd + 1, starts[index + 1] ?? box.length);
    return {
      envelope: box.toString('latin1', start, lineEnd).trimEnd(),
      content: mark === mboxrd ? unquoteFrom(content) : content,
    };
  });
}

const mboxrd = 'From mboxrd@z ';

/** `From x Thu Jan  1 00:00:00 1970`, and a line with a header behind it. */
function isEnvelope(box: Buffer, at: number): boolean {
  const text = box.toString('latin1', at, Math.min(at + 2000, box.length));
  return /^From \S.*\d:\d\d.*\r?\n(?:[!-9;-~]+[ \t]*:|>From )/.test(text);
}

/** mboxrd writes > before each line that begins with From. */
function unquoteFrom(content: Buffer): Buffer {
  if (!content.includes('\n>From ') && !content.includes('\n>>')) return content;
  return Buffer.from(content.toString('latin1').replace(/^>(>*From )/gm, '$1'), 'latin1');
}

const newline = 0x0a;
