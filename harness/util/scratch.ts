// SPDX-License-Identifier: MIT
// Temporary directories. Their names contain the process's pid, so that a later run can remove those of a
// killed one.
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const mine = new Set<string>();
process.on('exit', () => {
  for (const dir of mine) rmSync(dir, { recursive: true, force: true });
});

/**
 * Make a directory `<parent>/kiln-<pid>-<random>`. It is removed when disposed, or when the process exits.
 */
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

/** A scratch directory with a short path: the path of a Unix socket has at most 107 bytes. */
export async function socketDirectory(): ReturnType<typeof scratchDirectory> {
  return scratchDirectory(tmpdir().length > 70 ? '/tmp' : tmpdir());
}

/**
 * Remove scratch directories and files of aside() that ended processes left in `parent`. Ignores those that
 * can't be removed: they belong to another user.
 */
export async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    const pid = Number(/^kiln-(\d+)-|\.(\d+)\.[0-9a-f]{8}\.tmp$/.exec(name)?.slice(1).find(Boolean) ?? 0);
    if (pid > 0 && !isAlive(pid))
      await rm(join(parent, name), { recursive: true, force: true }).catch(() => {});
  }
}

/** Whether the process exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
