// SPDX-License-Identifier: MIT
import { dirname } from 'node:path';
import { interrupted, KilnError } from '../errors.ts';
import { describeEnd, spawn } from './exec.ts';
import { makeDirectories } from './files.ts';

type LockOptions = { signal?: AbortSignal | undefined; onWait?: () => void; shared?: boolean };

/**
 * Hold a lock file. flock(1) holds it for us: the kernel frees the lock when that process ends, which it does
 * with ours, so no lock is ever left behind. `onWait` is called once if another process holds the lock and does not free
 * it soon. Several may hold a `shared` lock.
 */
export async function lock(path: string, options: LockOptions = {}): Promise<AsyncDisposable> {
  const how = options.shared ? '--shared' : '--exclusive';
  const free = await hold(path, [how, ...nonblocking], options);
  if (free) return free;
  const waiting = setTimeout(() => options.onWait?.(), 300);
  try {
    return (await hold(path, [how], options))!;
  } finally {
    clearTimeout(waiting);
  }
}

/** The same, exclusive and without waiting: null if another process has it. */
export async function lockIfFree(path: string, signal: AbortSignal): Promise<AsyncDisposable | null> {
  return hold(path, ['--exclusive', ...nonblocking], { signal });
}

const busy = 75;
const nonblocking = ['--nonblock', '--conflict-exit-code', `${busy}`];

async function hold(
  path: string,
  how: string[],
  options: Pick<LockOptions, 'signal'>,
): Promise<AsyncDisposable | null> {
  options.signal?.throwIfAborted();
  await makeDirectories(dirname(path));
  // cat starts once flock has the lock, echoes the line below, and ends when its standard input closes.
  const child = spawn('flock', [...how, path, 'cat'], {
    endSignal: 'KILL',
    // Out of the terminal's process group: Ctrl-C must not free a lock that protects the teardown.
    detached: true,
    stdin: 'pipe',
    buffer: { stdout: false, stderr: true, all: false },
    all: false,
  });
  const release = async () => {
    child.stdin?.end();
    await child;
  };
  // An abort ends only the wait: a lock that was taken protects the teardown too.
  const giveUp = () => child.kill('SIGKILL');
  options.signal?.addEventListener('abort', giveUp);
  try {
    child.stdin?.write('held\n');
    const held = new Promise<boolean>((resolve) => {
      child.stdout?.once('data', () => resolve(true));
      child.then(() => resolve(false));
    });
    if (await held) return { [Symbol.asyncDispose]: release };
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
  }
  const result = await child;
  if (options.signal?.aborted) throw interrupted();
  if (result.exitCode === busy) return null;
  const stderr = String(result.stderr ?? '').trim();
  throw new KilnError('infrastructure', `can't lock ${path}: ${stderr || `flock ${describeEnd(result)}`}`, {
    hint: '`kiln doctor` checks flock, setpriv and the cache directory',
    details: { output: stderr },
  });
}
