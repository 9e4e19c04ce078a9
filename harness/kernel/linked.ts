// SPDX-License-Identifier: MIT
// The objects that a kernel was linked from. Others in a build directory are modules, or left from earlier builds.
import { readdir, readFile } from 'node:fs/promises';
import { join, posix, relative } from 'node:path';
import * as arch from '../guest/arch/x86_64.ts';
import { plainFile } from '../sandbox/plain.ts';

export type Linked = {
  /** Paths in the build directory, as `fs/open.o`, in the order of the link. */
  objects: string[];
  /** Objects of the boot loader's part and others that are linked by themselves. */
  apart: string[];
};

/** Bytes. */
const largestArchive = 64 * 2 ** 20;

/** Read the archives that the build left. Throws does-not-build if there is none. */
export async function linkedObjects(build: string): Promise<Linked> {
  const files = (await readdir(build, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.[ao]$/.test(entry.name))
    .map((entry) => relative(build, join(entry.parentPath, entry.name)));
  const has = new Set(files);
  // Linux 6.1 and later have vmlinux.a; before, each directory at the top has an archive.
  const tops = has.has('vmlinux.a')
    ? ['vmlinux.a']
    : files.filter((file) => /^[^/]+\/built-in\.a$/.test(file)).sort();
  const libraries = files.filter((file) => posix.basename(file) === 'lib.a').sort();
  if (tops.length === 0) await plainFile(build, 'vmlinux.a');
  const members = await Promise.all([...tops, ...libraries].map((file) => membersOf(build, file)));
  const objects = [...new Set(members.flat())].filter((path) => has.has(path));
  const known = new Set(objects);
  const apart = files.filter(
    (file) => file.endsWith('.o') && arch.imageDirectories.includes(posix.dirname(file)) && !known.has(file),
  );
  return { objects, apart: apart.sort() };
}

async function membersOf(build: string, path: string): Promise<string[]> {
  const bytes = await readFile(await plainFile(build, path, largestArchive));
  return archiveMembers(bytes).map((name) => posix.join(posix.dirname(path), name));
}

const magic = '!<thin>\n';
const headerSize = 60;

/** The members of a thin archive, which has only their names, relative to itself; none of another archive. */
export function archiveMembers(bytes: Buffer): string[] {
  if (bytes.toString('latin1', 0, magic.length) !== magic) return [];
  const members: string[] = [];
  let names = '';
  for (let at = magic.length; at + headerSize <= bytes.length; ) {
    const name = bytes.toString('latin1', at, at + 16).trim();
    const size = Number(bytes.toString('latin1', at + 48, at + 58).trim()) || 0;
    at += headerSize;
    const isTable = /^\/(?:\/|SYM64\/)?$/.test(name);
    if (name === '//') names = bytes.toString('utf8', at, at + size);
    // ar leaves a slash behind the number of some.
    const long = /^\/(\d+)\s*\/?$/.exec(name)?.[1];
    if (long !== undefined)
      members.push(names.slice(Number(long), names.indexOf('\n', Number(long))).replace(/\/$/, ''));
    else if (!isTable) members.push(name.replace(/\/$/, ''));
    // Only tables have bytes here; they begin at even positions.
    if (isTable) at += size + (size % 2);
  }
  return members;
}
