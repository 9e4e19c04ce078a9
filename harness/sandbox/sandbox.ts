// SPDX-License-Identifier: MIT
// Runs what a series or a test suite brings at build time: make, scripts, plugins. See docs/security.md.
import { availableParallelism, totalmem } from 'node:os';
import type { Context, Sandbox } from '../context.ts';
import { KilnError } from '../errors.ts';
import { type ExecOptions, type ExecResult, exec, whyEnded } from '../util/exec.ts';
import { cgroup } from './cgroup.ts';
import { excess, type TooMuch } from './excess.ts';

export type SandboxChoice = 'auto' | 'on' | 'off';

/** A path, or [path, mount point]. */
export type Mount = string | [string, string];

/** What a program can access besides the system's programs and libraries. */
export type Reach = {
  cwd: string;
  /** What is mounted read-only. */
  read: Mount[];
  /** What is mounted writable. */
  write: Mount[];
  /** The environment, besides PATH and CCACHE_*. */
  env: Record<string, string>;
};

/** Bytes, milliseconds. `memory` is for all processes together if there is a cgroup, else for each. */
export type Limits = { processes: number; memory: number; file: number; disk: number; time: number };

const giB = 2 ** 30;
/** Measured: with -j a KASAN build takes 45 processes a core, 1.6 GiB of memory and 1.9 GiB on disk. LTO takes more. */
export const buildLimits: Limits = {
  processes: 256 + 64 * availableParallelism(),
  memory: Math.max(4 * giB, Math.round(0.75 * totalmem())),
  file: 8 * giB,
  disk: 32 * giB,
  time: 4 * 3600_000,
};
/** Bytes of /tmp, which is a tmpfs. */
const temporary = 2 * giB;

const always = [
  ...['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'],
  ...['--cap-drop', 'ALL', '--new-session', '--die-with-parent'],
];
/** The strictest first. A user needs a user namespace, which a kernel may forbid; root can do without. */
const variants = [['--unshare-user', '--disable-userns'], ['--unshare-user'], []];

/**
 * Find the strictest variant that works here. Throws an infrastructure error if a sandbox is demanded and none works.
 */
export async function chooseSandbox(
  choice: SandboxChoice,
  foreign: boolean,
  signal?: AbortSignal,
): Promise<Sandbox> {
  if (choice === 'off') return { flags: null, reason: 'asked for with --sandbox off', foreign };
  let trouble = '';
  for (const variant of variants) {
    const flags = [...variant, ...always];
    try {
      await exec('bwrap', [...flags, ...system(), '--', 'true'], { signal });
      return { flags, reason: 'bubblewrap confines what the build runs', foreign };
    } catch (error) {
      signal?.throwIfAborted();
      trouble ||= whyNot(error as KilnError);
    }
  }
  if (choice === 'on')
    throw new KilnError('infrastructure', `--sandbox on: ${trouble}`, {
      hint: 'install bubblewrap, and allow user namespaces (or be root, and in a container privileged)',
    });
  return { flags: null, reason: trouble, foreign };
}

function whyNot({ message, details }: KilnError): string {
  return details.output?.split('\n').at(-1) || message;
}

/**
 * Run a program in the sandbox, within the limits that this machine can enforce. Throws as exec() does, and
 * does-not-build if a limit is exceeded.
 */
export async function confined(
  file: string,
  args: string[],
  reach: Reach,
  { sandbox, signal }: Pick<Context, 'sandbox' | 'signal'>,
  options: Pick<ExecOptions, 'onLine' | 'input' | 'okCodes'> = {},
  limits: Limits = buildLimits,
): Promise<ExecResult> {
  const { cwd, env } = reach;
  if (!sandbox?.flags) return exec(file, args, { ...options, cwd, env, signal });
  using group = cgroup(limits);
  using watch = excess(
    limits,
    reach.write.map((mount) => asPair(mount)[0]),
    signal,
  );
  using _ending = killLate(group, watch.signal, limits.time);
  const words = [...environment(env), 'bwrap', ...sandbox.flags, ...system(), ...visible(reach)];
  const command = [...words, '--', ...resourceLimits(limits), file, ...args];
  const [first, ...rest] = group.enter(command);
  try {
    return await exec(first!, rest, { ...options, cwd: '/', signal: watch.signal, timeout: limits.time });
  } catch (cause) {
    signal.throwIfAborted();
    const beyond = watch.found() ?? group.exceeded() ?? tooLong(cause, limits) ?? wasEnded(cause);
    if (!beyond) throw renamed(cause, file);
    throw new KilnError(beyond.code, `the build was stopped: ${beyond.text}`, {
      hint: hints[beyond.code],
      cause,
    });
  }
}

/** Milliseconds in which a sandbox that was ended takes its processes with it. */
const grace = 1000;

/**
 * bwrap that is ended before it has asked for its parent-death signal leaves its child behind: that runs on, and holds
 * the pipes that exec() reads to their end.
 */
function killLate(group: { kill: () => void }, signal: AbortSignal, time: number): Disposable {
  const late = setTimeout(() => group.kill(), time + grace);
  const onAbort = () => void setTimeout(() => group.kill(), grace).unref();
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    [Symbol.dispose]: () => {
      clearTimeout(late);
      signal.removeEventListener('abort', onAbort);
    },
  };
}

const hints = {
  'does-not-build': 'docs/security.md names the limits of a build',
  infrastructure:
    'free some disk for the cache (`kiln clean`, or XDG_CACHE_HOME on a larger disk) and run again',
};

function tooLong(error: unknown, { time }: Limits): TooMuch | null {
  const timedOut = error instanceof KilnError && (error.cause as { timedOut?: boolean })?.timedOut === true;
  return timedOut ? { code: 'does-not-build', text: `it was not done after ${time / 1000} s` } : null;
}

function wasEnded(error: unknown): TooMuch | null {
  const why = whyEnded(error);
  return why === null ? null : { code: 'does-not-build', text: `it ${why}` };
}

/** Put the program's name in place of `env`, which started it. */
function renamed(error: unknown, file: string): unknown {
  if (!(error instanceof KilnError) || error.code !== 'infrastructure') return error;
  const message = error.message.replace(/^\S+/, file);
  return new KilnError(error.code, message, { details: error.details, hint: error.hint, cause: error.cause });
}

/** bubblewrap itself gets the clean environment, too: its /proc/PID/environ is readable in the sandbox. */
function environment(env: Record<string, string>): string[] {
  const kept = Object.entries(process.env).filter(([name]) => name === 'PATH' || name.startsWith('CCACHE_'));
  const all = { HOME: '/tmp', TMPDIR: '/tmp', ...Object.fromEntries(kept), ...env };
  return ['env', '-i', ...Object.entries(all).map(([name, value]) => `${name}=${value}`)];
}

/**
 * The system's programs and libraries, and those files of /etc that are needed to find them; no home directory. /proc
 * is read-only: the kernel lets root write to /proc/sys/kernel/core_pattern, also from a user namespace.
 */
function system(): string[] {
  const places = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store', '/gnu/store'];
  const etc = ['alternatives', 'ld.so.cache', 'ld.so.conf', 'ld.so.conf.d'].map((name) => `/etc/${name}`);
  return [
    ...['--ro-bind', '/usr', '/usr'],
    ...[...places, ...etc].flatMap((path) => ['--ro-bind-try', path, path]),
    ...['--proc', '/proc', '--remount-ro', '/proc', '--dev', '/dev'],
    ...['/dev/shm', '/tmp'].flatMap((path) => ['--size', String(temporary), '--tmpfs', path]),
    ...['--remount-ro', '/dev'],
  ];
}

function visible({ cwd, read, write }: Reach): string[] {
  return [
    ...read.flatMap((mount) => ['--ro-bind', ...asPair(mount)]),
    ...write.flatMap((mount) => ['--bind', ...asPair(mount)]),
    ...['--remount-ro', '/', '--chdir', cwd],
  ];
}

function asPair(mount: Mount): [string, string] {
  return typeof mount === 'string' ? [mount, mount] : mount;
}

/** Set within the sandbox, where the user's other processes do not count. --nproc does not bind root: see cgroup.ts. */
function resourceLimits({ processes, memory, file }: Limits): string[] {
  return ['prlimit', `--nproc=${processes}`, `--as=${memory}`, `--fsize=${file}`, '--core=0'];
}
