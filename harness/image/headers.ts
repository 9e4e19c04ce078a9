// SPDX-License-Identifier: MIT
// Headers that several suites share.
import { lstat, readdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join, normalize, relative } from 'node:path';
import { paths } from '../paths.ts';
import type { Suite } from '../suite/suite.ts';
import { regularFiles } from '../util/files.ts';
import { contentKey } from '../util/hash.ts';

/**
 * What a suite can include as "../include/x.h", absolute: the headers of include/ beside it, else those of
 * guest-tests/include. Headers alone, and none of its subdirectories: beside a suite can be anything, /usr/include too.
 */
export async function sharedHeaders({ dir }: Suite): Promise<string[]> {
  const beside = await headersIn(join(dirname(dir), 'include'));
  return beside.length > 0 ? beside : headersIn(join(paths.guestTests, 'include'));
}

/** A content key of what a suite can include besides its own files and the tested tree's. */
export async function sharedHeadersKey(suite: Suite): Promise<string> {
  const parts: (string | Uint8Array)[] = [];
  for (const path of await sharedHeaders(suite)) parts.push(basename(path), await readFile(path));
  for (const file of await neighbourFiles(suite))
    parts.push(file, await readFile(join(dirname(suite.dir), file)));
  return contentKey(...parts);
}

/**
 * Files beside the suite that it includes as "../x.h" or "../name/x.h", or with `-I../name` in its Makefile; relative to
 * the directory that holds the suites, in order. Not those of include/ (see sharedHeaders).
 */
export async function neighbourFiles(suite: Suite): Promise<string[]> {
  const around = dirname(suite.dir);
  const found = new Set<string>();
  const waiting = (await regularFiles(suite.dir))
    .filter((file) => /\.[ch]$/.test(file))
    .map((file) => join(suite.name, file));
  const add = async (file: string) => {
    if (found.has(file) || found.size >= maxNeighbours || !(await isNeighbours(suite, file))) return;
    found.add(file);
    waiting.push(file);
  };
  const searched = neighboursOf(suite.makefile);
  for (const name of searched)
    for (const path of await headersIn(join(around, name))) await add(relative(around, path));
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
    // The compiler also looks in the directory that holds the suites.
    for (const [, included] of (await readFile(join(around, file), 'utf8')).matchAll(includePattern))
      for (const place of [dirname(file), '.', ...searched]) await add(normalize(join(place, included!)));
  return [...found].sort();
}

const includePattern = /^[ \t]*#[ \t]*include[ \t]*["<]([^"<>\n]+)[">]/gm;
const maxNeighbours = 2000;

/** Directories beside the suite that its Makefile searches. */
function neighboursOf(makefile: string): string[] {
  const words = [
    ...makefile.matchAll(/(?:\.\.|\$[({]selfdir[)}]|testing\/selftests)\/([\w.+-]+(?:\/[\w.+-]+)*)/g),
  ];
  return [...new Set(words.map(([, name]) => name!))].filter((name) => !name.split('/').includes('..'));
}

/** Whether this is a plain file beside the suite or in a directory there. Links are left out: they may lead anywhere. */
async function isNeighbours({ dir, name }: Suite, file: string): Promise<boolean> {
  const [first] = file.split('/');
  if (first === '..' || first === name || first === 'include') return false;
  const path = join(dirname(dir), file);
  const info = await lstat(path).catch(() => undefined);
  return info?.isFile() === true && (await realpath(path)) === join(await realpath(dirname(dir)), file);
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
