// SPDX-License-Identifier: MIT
// Directories for the length of one call. Their names tell whose they are, so that what a killed run left is swept.
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const mine = new Set<string>();
process.on('exit', () => {
  for (const dir of mine) rmSync(dir, { recursive: true, force: true });
});

/** A new directory `<parent>/kiln-<pid>-<random>`, removed when disposed and at the latest when the process ends. */
export async function scratchDirectory(parent: string): Promise<AsyncDisposable & { path: string }> {
  await mkdir(parent, { recursive: true });
  const path = await mkdtemp(join(parent, `kiln-${process.pid}-`));
  mine.add(path);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await rm(path, { recursive: true, force: true });
      mine.delete(path);
    },
  };
}

/** A private one whose path is short: a Unix socket's path has at most 107 bytes. */
export async function socketDirectory(): ReturnType<typeof scratchDirectory> {
  return scratchDirectory(tmpdir().length > 70 ? '/tmp' : tmpdir());
}

/** Remove what processes that are gone have left in `parent`: scratch directories, and what was made aside. What can't be removed is somebody else's. */
export async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    const pid = Number(/^kiln-(\d+)-|\.(\d+)\.[0-9a-f]{8}\.tmp$/.exec(name)?.slice(1).find(Boolean) ?? 0);
    if (pid > 0 && !isAlive(pid))
      await rm(join(parent, name), { recursive: true, force: true }).catch(() => {});
  }
}

/** Whether there is such a process. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
