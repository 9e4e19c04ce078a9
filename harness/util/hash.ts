// SPDX-License-Identifier: MIT
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { regularFiles } from './files.ts';

/** A content key: the first 20 hex digits of the SHA-256 over each part's length and bytes, in order. */
export function contentKey(...parts: (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.digest('hex').slice(0, 20);
}

/** The SHA-256 of a file, in hex. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** A content key over the names and bytes of the files that regularFiles() finds below a directory. */
export async function treeKey(dir: string, without: readonly string[] = []): Promise<string> {
  const parts: (string | Uint8Array)[] = [];
  for (const path of await regularFiles(dir))
    if (!without.some((name) => path.startsWith(`${name}/`)))
      parts.push(path, await readFile(join(dir, path)));
  return contentKey(...parts);
}
