// SPDX-License-Identifier: MIT
// A directory of public-inbox: git repositories, called epochs, in which each blob is one mail.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { interrupted, KilnError } from '../errors.ts';
import { exists } from '../util/files.ts';
import { startGit } from '../util/git.ts';
import { readMail } from './mail.ts';
import type { RawMail } from './mailbox.ts';

/** One mail of an inbox, by its headers. */
export type InboxMail = {
  epoch: string;
  blob: string;
  messageId: string | null;
  parents: string[];
  subject: string;
  /** Milliseconds; null if the mail has no date that can be read. */
  date: number | null;
};

/** Bytes of a mail that are read for its headers. */
const maxHeaders = 64 * 1024;

/** The mails of the thread that has this Message-ID, from the first to the last. Reads the headers of the whole inbox. */
export async function threadInInbox(dir: string, id: string, signal?: AbortSignal): Promise<RawMail[]> {
  const mails = await indexInbox(dir, signal);
  const thread = threadsIn(mails).find((one) => one.some(({ messageId }) => messageId === id));
  if (thread === undefined)
    throw new KilnError('bad-input', `no mail ${id} in ${dir}`, {
      hint: 'is it the list that the mail was sent to, and is the mirror up to date?',
    });
  return readMails(thread, signal);
}

/** All mails of an inbox, by date. @param dir its directory, that of its epochs, or one epoch */
export async function indexInbox(dir: string, signal?: AbortSignal): Promise<InboxMail[]> {
  const mails: InboxMail[] = [];
  for (const epoch of await findEpochs(dir)) {
    await readBlobs(epoch, undefined, maxHeaders, signal, (blob, head) => {
      const { messageId, parents, subject, date } = readMail({ envelope: '', content: onlyHeaders(head) });
      mails.push({ epoch, blob, messageId, parents, subject: subject.text, date });
    });
  }
  return mails.sort(byDate);
}

/** The mails that are connected by In-Reply-To and References, also through mails that are not there. */
export function threadsIn(mails: readonly InboxMail[]): InboxMail[][] {
  const naming = new Map<string, InboxMail[]>();
  for (const mail of mails)
    for (const name of namesIn(mail)) {
      const found = naming.get(name);
      if (found) found.push(mail);
      else naming.set(name, [mail]);
    }
  const threads: InboxMail[][] = [];
  const seen = new Set<string>();
  const placed = new Set<InboxMail>();
  for (const first of naming.keys()) {
    if (seen.has(first)) continue;
    seen.add(first);
    const thread: InboxMail[] = [];
    const next = [first];
    for (let at = 0; at < next.length; at++)
      for (const mail of naming.get(next[at]!) ?? []) {
        if (placed.has(mail)) continue;
        placed.add(mail);
        thread.push(mail);
        for (const name of namesIn(mail)) {
          if (seen.has(name)) continue;
          seen.add(name);
          next.push(name);
        }
      }
    threads.push(thread.sort(byDate));
  }
  return threads;
}

function namesIn({ messageId, parents }: InboxMail): string[] {
  return messageId === null ? parents : [messageId, ...parents];
}

/** The mails with these headers, in this order. */
export async function readMails(mails: readonly InboxMail[], signal?: AbortSignal): Promise<RawMail[]> {
  const contents = new Map<string, Buffer>();
  for (const epoch of new Set(mails.map((mail) => mail.epoch))) {
    const blobs = mails.filter((mail) => mail.epoch === epoch).map(({ blob }) => blob);
    await readBlobs(epoch, blobs, Number.POSITIVE_INFINITY, signal, (blob, content) =>
      contents.set(blob, content),
    );
  }
  return mails.map(({ blob }) => ({ envelope: '', content: contents.get(blob)! }));
}

function byDate(a: InboxMail, b: InboxMail): number {
  return (a.date ?? 0) - (b.date ?? 0) || (a.blob < b.blob ? -1 : 1);
}

function onlyHeaders(head: Buffer): Buffer {
  const end = head.indexOf('\n\n');
  return end === -1 ? head : head.subarray(0, end + 2);
}

/** public-inbox has DIR/git/N.git; a mirror may have only the epochs, or one. */
async function findEpochs(dir: string): Promise<string[]> {
  const isRepository = async (path: string) =>
    (await exists(join(path, 'HEAD'))) && (await exists(join(path, 'objects')));
  if (await isRepository(dir)) return [dir];
  if (await isRepository(join(dir, '.git'))) return [join(dir, '.git')];
  const found: string[] = [];
  for (const parent of [join(dir, 'git'), dir])
    for (const name of await readdir(parent).catch(() => []))
      if (/^\d+\.git$/.test(name) && (await isRepository(join(parent, name)))) found.push(join(parent, name));
  if (found.length === 0)
    throw new KilnError('bad-input', `${dir} is no directory of public-inbox`, {
      hint: 'it has git repositories like git/0.git, or is one: git clone --mirror https://lore.kernel.org/LIST/0',
    });
  return found.sort((a, b) => Number(/(\d+)\.git$/.exec(a)![1]) - Number(/(\d+)\.git$/.exec(b)![1]));
}

/** Call back with the first `limit` bytes of each blob: of all blobs, or of these. */
async function readBlobs(
  gitDir: string,
  blobs: string[] | undefined,
  limit: number,
  signal: AbortSignal | undefined,
  onBlob: (blob: string, content: Buffer) => void,
): Promise<void> {
  const which = blobs ? [] : ['--batch-all-objects', '--unordered'];
  const child = startGit(gitDir, ['cat-file', '--batch', '--buffer', ...which], signal);
  child.stdin!.on('error', () => {});
  child.stdin!.end(blobs ? `${blobs.join('\n')}\n` : '');
  let object: { name: string; isBlob: boolean; left: number; kept: Buffer[]; size: number } | undefined;
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of child.stdout! as AsyncIterable<Buffer>) {
    let data = pending.length > 0 ? Buffer.concat([pending, chunk]) : chunk;
    pending = Buffer.alloc(0);
    while (data.length > 0) {
      if (object === undefined) {
        const end = data.indexOf(0x0a);
        if (end === -1) {
          pending = data;
          break;
        }
        const [name, type, size] = data.toString('latin1', 0, end).split(' ');
        data = data.subarray(end + 1);
        if (size === undefined) continue;
        // One more for the line end behind the object.
        object = { name: name!, isBlob: type === 'blob', left: Number(size) + 1, kept: [], size: 0 };
      }
      const part = data.subarray(0, object.left);
      data = data.subarray(part.length);
      object.left -= part.length;
      if (object.isBlob && object.size < limit) object.kept.push(part);
      object.size += part.length;
      if (object.left > 0) continue;
      if (object.isBlob) {
        const content = Buffer.concat(object.kept);
        onBlob(object.name, content.subarray(0, Math.min(limit, object.size - 1)));
      }
      object = undefined;
    }
  }
  const result = await child;
  if (result.isCanceled) throw interrupted();
  if (result.exitCode !== 0)
    throw new KilnError('bad-input', `${gitDir} is no git repository that can be read`, { cause: result });
}
