// SPDX-License-Identifier: MIT
// Headers that several suites share.
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { paths } from '../paths.ts';
import type { Suite } from '../suite/suite.ts';
import { contentKey } from '../util/hash.ts';

/**
 * What a suite can include as "../include/x.h", absolute: the headers of include/ beside it, else those of
 * guest-tests/include. Headers alone, and none of its subdirectories: beside a suite can be anything, /usr/include too.
 */
export async function sharedHeaders({ dir }: Suite): Promise<string[]> {
  const beside = await headersIn(join(dirname(dir), 'include'));
  return beside.length > 0 ? beside : headersIn(join(paths.guestTests, 'include'));
}

/** A content key of them. */
export async function sharedHeadersKey(suite: Suite): Promise<string> {
  const parts: (string | Uint8Array)[] = [];
  for (const path of await sharedHeaders(suite)) parts.push(basename(path), await readFile(path));
  return contentKey(...parts);
}

/** Links are left out: what they lead to would get into a guest. */
async function headersIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (['ENOENT', 'ENOTDIR'].includes(error.code ?? '')) return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.h') && !entry.name.startsWith('.'))
    .map(({ name }) => join(dir, name))
    .sort();
}
