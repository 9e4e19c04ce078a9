// SPDX-License-Identifier: MIT
// A thread by its Message-ID: from a directory of public-inbox, or from a list's archive through b4.
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KilnError } from '../errors.ts';
import { limits } from '../limits.ts';
import { exec } from '../util/exec.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { threadInInbox } from './inbox.ts';
import { type RawMail, splitMbox } from './mailbox.ts';

/** `lore:MESSAGE-ID`, `lore:URL` or the URL of a mail in an archive. */
export function isLoreSource(source: string): boolean {
  return /^lore:|^https?:\/\//.test(source);
}

/** All mails of the thread that a mail is in, from the first to the last. */
export async function readThread(
  source: string,
  options: { inbox?: string | undefined; signal?: AbortSignal | undefined },
): Promise<{ id: string; mails: RawMail[] }> {
  const id = messageIdOf(source);
  if (options.inbox !== undefined)
    return { id, mails: await threadInInbox(options.inbox, id, options.signal) };
  return { id, mails: splitMbox(await fetchThread(id, options.signal)) };
}

/** @returns without the angle brackets */
function messageIdOf(source: string): string {
  const text = source.replace(/^lore:/, '');
  // Of https://host/list/ID/T/#u, the part that is one.
  const parts = /^https?:/.test(text) ? text.replace(/#.*/, '').split('/').slice(3) : [text];
  const id =
    parts
      .map(decode)
      .find((part) => part.includes('@'))
      ?.replace(/^<|>$/g, '') ?? '';
  if (!/^[^\s<>]+@[^\s<>]+$/.test(id) || id.startsWith('-'))
    throw new KilnError('bad-input', `there is no Message-ID in ${source}`, {
      hint: 'give lore:MESSAGE-ID, or the URL of one mail of the thread',
    });
  return id;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function fetchThread(id: string, signal?: AbortSignal): Promise<Buffer> {
  await using scratch = await scratchDirectory(tmpdir());
  const args = ['mbox', '--no-cache', '-o', scratch.path, '-n', 'thread.mbx', id];
  const { exitCode, stderr } = await exec('b4', args, {
    signal,
    silence: limits.b4,
    okCodes: [0, 1, 127],
  });
  if (exitCode === 127)
    throw new KilnError('bad-input', `lore:${id} needs b4, which is not installed`, {
      hint: 'apt-get install b4; or save the thread as an mbox file; or name a public-inbox with --inbox',
    });
  const box = await readFile(join(scratch.path, 'thread.mbx')).catch(() => undefined);
  if (exitCode === 0 && box) return box;
  const said = stderr.trim().split('\n').at(-1) ?? '';
  if (/not known|Could not find/i.test(stderr))
    throw new KilnError('bad-input', `no archive has a mail ${id}`, {
      hint: 'copy the Message-ID from the mail, without the angle brackets',
    });
  throw new KilnError('infrastructure', `b4 can't fetch ${id}: ${said || `exit code ${exitCode}`}`, {
    hint: 'is the archive reachable? a thread that is saved as an mbox file needs no network',
  });
}
