// SPDX-License-Identifier: MIT
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { interrupted, KilnError } from '../errors.ts';
import { isTame } from './context.ts';
import { describeEnd, spawn } from './exec.ts';
import { makeDirectories } from './files.ts';
import { sweep } from './scratch.ts';

/**
 * Hold a lock file. flock(1) holds it for us: the kernel frees the lock when that process ends, which it does
 * with ours, so no lock is ever left behind. `onWait` is called once if somebody else has it. Several may hold a
 * `shared` lock.
 */
export async function lock(
  path: string,
  options: { signal?: AbortSignal | undefined; onWait?: () => void; shared?: boolean } = {},
): Promise<AsyncDisposable> {
  options.signal?.throwIfAborted();
  await makeDirectories(dirname(path));
  // cat echoes our line once flock has the lock, and ends when its standard input closes.
  const child = spawn('flock', [options.shared ? '--shared' : '--exclusive', path, 'cat'], {
    endSignal: 'KILL',
    // Ctrl-C on a terminal goes to the whole process group; a lock that is held is not for it.
    detached: true,
    stdin: 'pipe',
    buffer: { stdout: false, stderr: true, all: false },
    all: false,
  });
  const release = async () => {
    child.stdin?.end();
    await child;
  };
  // Only the waiting is cut short: a lock that is held protects also the teardown.
  const giveUp = () => child.kill('SIGKILL');
  options.signal?.addEventListener('abort', giveUp);
  const waiting = setTimeout(() => options.onWait?.(), 300);
  try {
    child.stdin?.write('held\n');
    const held = new Promise<boolean>((resolve) => {
      child.stdout?.once('data', () => resolve(true));
      child.then(() => resolve(false));
    });
    if (await held) return { [Symbol.asyncDispose]: release };
  } finally {
    clearTimeout(waiting);
    options.signal?.removeEventListener('abort', giveUp);
  }
  const result = await child;
  if (options.signal?.aborted) throw interrupted();
  const said = String(result.stderr ?? '').trim();
  throw new KilnError('infrastructure', `can't lock ${path}: ${said || `flock ${describeEnd(result)}`}`, {
    hint: '`kiln doctor` looks for flock and setpriv, and at the cache directory',
    details: { output: said },
  });
}

/** Keep `kiln clean` away while the cache is in use, and sweep what killed runs have left. The file lies beside the cache, so that it outlives it. */
export async function useCache(cache: string, signal: AbortSignal, alone = false): Promise<AsyncDisposable> {
  if (!isTame(cache))
    throw new KilnError('usage', `the cache directory ${cache} has a space or a colon in its name`, {
      hint: "the kernel's build can't work there: set XDG_CACHE_HOME to another place",
    });
  const onWait = () => {
    process.stderr.write(
      `kiln: ${alone ? 'a run uses the cache' : 'kiln clean is at work'}: waiting for its end\n`,
    );
  };
  const held = await lock(`${cache}.lock`, { signal, shared: !alone, onWait });
  const places = ['.', 'scratch', 'bases', 'trees', 'kernels', 'images', 'templates'].map((name) =>
    join(cache, name),
  );
  await Promise.all([...places, tmpdir()].map(sweep));
  return held;
}
