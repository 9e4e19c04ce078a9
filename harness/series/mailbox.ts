// SPDX-License-Identifier: MIT
// The mails of a mailbox. git's mailsplit begins a mail at each line like `From x 00:00:00 1970`; here headers must
// follow it, so that such a line in a commit message does not tear the mail.
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { KilnError } from '../errors.ts';
import { exec } from '../util/exec.ts';
import { readPlain } from '../util/files.ts';
import { scratchDirectory } from '../util/scratch.ts';

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
  for (const sub of ['cur', 'new'])
    files.push(...(await readdir(join(path, sub)).catch(() => [])).map((name) => join(path, sub, name)));
  // A maildir's names begin with the time of delivery.
  const byName = files.sort((a, b) => compare(a.slice(path.length + 5), b.slice(path.length + 5)));
  const mails: RawMail[] = [];
  for (const file of byName) {
    signal?.throwIfAborted();
    mails.push({ envelope: '', content: await readPlain(file) });
  }
  return mails;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1;
}

async function readBox(path: string, signal?: AbortSignal): Promise<Buffer> {
  signal?.throwIfAborted();
  const bytes = await readPlain(path).catch((cause: NodeJS.ErrnoException) => {
    throw cause instanceof KilnError
      ? cause
      : new KilnError('bad-input', `${path} can't be read: ${cause.message}`, { cause });
  });
  const magic = bytes.toString('latin1', 0, 6);
  if (magic.startsWith('\x1f\x8b')) return unpack(path, async () => gunzipped(bytes));
  if (magic === '\xfd7zXZ\0') return unpack(path, () => unxz(path, signal));
  const other = [
    ['BZh', 'bzip2'],
    ['\x28\xb5\x2f\xfd', 'zstd'],
    ['PK\x03\x04', 'zip'],
  ].find(([start]) => magic.startsWith(start!));
  if (other)
    throw new KilnError('bad-input', `${path} is compressed with ${other[1]}`, {
      hint: 'Kiln reads plain, .gz and .xz mailboxes: unpack it first',
    });
  return bytes;
}

async function unpack(path: string, run: () => Promise<Buffer>): Promise<Buffer> {
  return run().catch((cause) => {
    if (cause instanceof KilnError && cause.code === 'interrupted') throw cause;
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

/** xz writes to a file: output that is kept in memory would lose bytes that are no UTF-8. */
async function unxz(path: string, signal?: AbortSignal): Promise<Buffer> {
  await using scratch = await scratchDirectory(tmpdir());
  const out = join(scratch.path, 'box');
  const command = `xz -dc -- "$1" | head -c ${maxBox + 1} > "$2"; exit "\${PIPESTATUS[0]}"`;
  await exec('bash', ['-c', command, 'unxz', path, out], { signal, okCodes: [0, 141] });
  const bytes = await readPlain(out);
  if (bytes.length > maxBox) throw Object.assign(new Error('too large'), { code: 'ERR_BUFFER_TOO_LARGE' });
  return bytes;
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
