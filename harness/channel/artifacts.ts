// SPDX-License-Identifier: MIT
// Files out of a guest. The guest is untrusted: only plain files with tame names come through, few and small.
import { mkdir } from 'node:fs/promises';
import type { Socket } from 'node:net';

import { type ReadEntry, Unpack } from 'tar';

/** Files taken from one guest at most. */
const maxFiles = 1000;

/**
 * Unpack one tar stream from the files port below `into`.
 * @param announced resolves to the stream's length in bytes once the guest has said it
 */
export async function extractFromGuest(
  port: Socket,
  announced: Promise<number>,
  into: string,
  limits: { limit: number; timeout: number },
): Promise<{ files: string[]; problem: string | null }> {
  await mkdir(into, { recursive: true });
  const files: string[] = [];
  let problem: string | null = null;
  const unpack = new Unpack({
    cwd: into,
    strict: false,
    preservePaths: false,
    noMtime: true,
    // Owners, set-id bits and the like are the guest's business, not this machine's.
    preserveOwner: false,
    fmode: 0o644,
    dmode: 0o755,
    onwarn: (_code, message) => {
      problem ??= `a file was refused: ${String(message)}`;
    },
    filter: (path, entry) => {
      const { type, size } = entry as ReadEntry;
      const isTame = type === 'File' && isTamePath(path) && size <= limits.limit && files.length < maxFiles;
      if (isTame) files.push(path);
      else if (type !== 'Directory')
        problem ??= 'a file was refused: not a plain file with a plain name, or too many';
      return isTame;
    },
  });
  const done = new Promise<void>((resolve) => {
    unpack.on('close', resolve);
    unpack.on('error', (error: unknown) => {
      problem ??= `the archive is broken: ${(error as Error).message}`;
      resolve();
    });
  });
  let received = 0;
  let total = Number.POSITIVE_INFINITY;
  const timer = setTimeout(() => {
    problem ??= 'the files did not come in time';
    unpack.end();
  }, limits.timeout);
  const finishIfWhole = () => {
    if (received >= total) unpack.end();
  };
  const onData = (chunk: Buffer) => {
    received += chunk.length;
    if (received <= limits.limit + 1_048_576) unpack.write(chunk);
    finishIfWhole();
  };
  port.on('data', onData);
  announced.then((bytes) => {
    total = bytes;
    finishIfWhole();
  });
  await done;
  clearTimeout(timer);
  port.off('data', onData);
  return { files, problem };
}

function isTamePath(path: string): boolean {
  return /^[A-Za-z0-9._+=@:,-][A-Za-z0-9._+=@:,/-]*$/.test(path) && !path.split('/').includes('..');
}
