// SPDX-License-Identifier: MIT
// Reads a configuration, or a fragment of one, from a file that the user named.
import { stat } from 'node:fs/promises';
import { KilnError } from '../errors.ts';
import { readPlain } from '../util/files.ts';

/** Bytes. A whole configuration has 0.3 MB. */
const largest = 16 * 2 ** 20;

/** Throws bad-input for anything but a file of text. */
export async function readConfigFile(path: string): Promise<string> {
  const wrong = (problem: string, hint: string, cause?: unknown) =>
    new KilnError('bad-input', `${path} ${problem}`, { hint, cause });
  const readable = 'name a file such as .config, or a fragment of one';
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw wrong(problems[cause.code ?? ''] ?? `can't be read: ${cause.message}`, readable, cause);
  });
  if (info.isDirectory()) throw wrong('is a directory and no configuration', readable);
  if (info.size > largest)
    throw wrong(`has ${Math.round(info.size / 2 ** 20)} MiB and is no configuration`, readable);
  const content = await readPlain(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause instanceof KilnError) throw cause;
    throw wrong(problems[cause.code ?? ''] ?? `can't be read: ${cause.message}`, readable, cause);
  });
  const program = compressions.find(({ magic }) => content.subarray(0, magic.length).equals(magic))?.program;
  if (program) throw wrong('is compressed', `unpack it first: ${program} ${path} > my.config`);
  if (content.includes(0)) throw wrong('is not a text file', readable);
  return content.toString();
}

const problems: Record<string, string> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  ELOOP: 'is a symbolic link that leads to itself',
  EACCES: "can't be read: permission denied",
};

const compressions = [
  { magic: Buffer.from([0x1f, 0x8b]), program: 'zcat' },
  { magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]), program: 'xzcat' },
  { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), program: 'zstdcat' },
];
