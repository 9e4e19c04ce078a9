// SPDX-License-Identifier: MIT
import { createWriteStream } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import type { Context } from '../context.ts';
import { asKilnError, KilnError } from '../errors.ts';
import { exists } from '../util/files.ts';
import { sha256File } from '../util/hash.ts';
import { scratchDirectory } from '../util/scratch.ts';
import type { Archive } from './archive.ts';

/** A kernel archive from a file or a URL. @param wanted FILE-or-URL, with an optional `#sha256=HEX` */
export async function fetchTar(wanted: string, context: Context): Promise<Archive> {
  const [where, expected] = splitHash(wanted);
  const archive = /^https?:\/\//.test(where) ? await download(where, context) : await local(where);
  if (expected !== undefined && expected !== archive.sha256) {
    await archive.release();
    throw new KilnError('bad-input', `${where} has the SHA-256 ${archive.sha256}, not ${expected}`, {
      hint: 'the file is damaged or another one than you meant',
    });
  }
  return archive;
}

function splitHash(wanted: string): [string, string | undefined] {
  const match = /^(.*)#sha256=(.*)$/.exec(wanted);
  if (!match) return [wanted, undefined];
  if (!/^[0-9a-f]{64}$/i.test(match[2]!))
    throw new KilnError('usage', `"${match[2]}" is no SHA-256`, { hint: 'it has 64 hex digits' });
  return [match[1]!, match[2]!.toLowerCase()];
}

async function local(file: string): Promise<Archive> {
  const tar = resolve(file);
  if (!(await exists(tar))) throw new KilnError('bad-input', `no file at ${tar}`);
  return { version: basename(tar), sha256: await sha256File(tar), tar, release: async () => {} };
}

async function download(url: string, context: Context): Promise<Archive> {
  const scratch = await scratchDirectory(join(context.cache, 'scratch'));
  const dir = scratch.path;
  const release = async () => scratch[Symbol.asyncDispose]();
  const tar = join(dir, basename(new URL(url).pathname) || 'archive');
  try {
    context.progress(`downloading ${url}`);
    const response = await fetch(url, { signal: context.signal });
    if (!response.ok || !response.body)
      throw new KilnError('infrastructure', `${url} answers ${response.status} ${response.statusText}`);
    // The browser's type of the same name, which harness/page/ has, is another one.
    const body = response.body as ReadableStream<Uint8Array>;
    await pipeline(Readable.fromWeb(body), createWriteStream(tar));
    return { version: basename(tar), sha256: await sha256File(tar), tar, release };
  } catch (error) {
    await release();
    if (context.signal.aborted || error instanceof KilnError) throw asKilnError(error);
    throw new KilnError('infrastructure', `can't download ${url}`, { cause: error });
  }
}
