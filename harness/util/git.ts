// SPDX-License-Identifier: MIT
import { type Child, type ExecOptions, type ExecResult, exec, spawn } from './exec.ts';

/**
 * Run git without the user's configuration, hooks, editor or credentials, and with a fixed committer: the
 * same series on the same base gives the same commits everywhere.
 */
export async function git(dir: string, args: string[], options: ExecOptions = {}): Promise<ExecResult> {
  return exec('git', ['-C', dir, ...settings, ...args], {
    ...options,
    env: { ...inherited(), ...environment, ...options.env },
  });
}

/**
 * Start git in the same way, for output that is too large to keep: it is read from the child's `stdout` as it comes.
 */
export function startGit(dir: string, args: string[], signal?: AbortSignal): Child {
  return spawn('git', ['-C', dir, ...settings, ...args], {
    env: { ...inherited(), ...environment },
    stdin: 'pipe',
    buffer: false,
    encoding: 'buffer',
    ...(signal && { cancelSignal: signal }),
  });
}

/** Where a repository has its objects: absolute, also for a linked worktree. */
export async function objectDirectory(dir: string, signal?: AbortSignal): Promise<string> {
  const ask = ['rev-parse', '--path-format=absolute', '--git-path', 'objects'];
  return (await git(dir, ask, { signal })).stdout;
}

/** Which of these files a repository ignores; none if `dir` is in no repository. All paths absolute. */
export async function ignoredBy(dir: string, paths: readonly string[]): Promise<Set<string>> {
  if (paths.length === 0) return new Set();
  // git exits with 1 if it ignores none of them.
  const asked = git(dir, ['check-ignore', '--stdin', '-z'], { input: paths.join('\0') });
  const { stdout } = await asked.catch(() => ({ stdout: '' }));
  return new Set(stdout.split('\0').filter((path) => path !== ''));
}

/** Unsets git's variables: in a git hook, GIT_DIR and others are set, and they override -C. */
function inherited(): Record<string, undefined> {
  const names = Object.keys(process.env).filter((name) => name.startsWith('GIT_'));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

const settings = [
  ['core.hooksPath', '/dev/null'],
  ['core.autocrlf', 'false'],
  ['core.compression', '1'],
  ['core.quotePath', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  // Milliseconds: two runs may write the same ref at once.
  ['core.filesRefLockTimeout', '10000'],
  ['advice.detachedHead', 'false'],
  ['am.threeWay', 'false'],
  ['safe.directory', '*'],
  // By default a file in the user's home directory, which no other setting turns off.
  ['core.attributesFile', '/dev/null'],
].flatMap(([name, value]) => ['-c', `${name}=${value}`]);

const environment = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  // A hash is that object with its parents: a repository's replace refs and grafts put others in their place.
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_GRAFT_FILE: '/dev/null/none',
  GIT_EDITOR: 'true',
  GIT_AUTHOR_NAME: 'kiln',
  GIT_AUTHOR_EMAIL: 'kiln@localhost',
  GIT_COMMITTER_NAME: 'kiln',
  GIT_COMMITTER_EMAIL: 'kiln@localhost',
  LC_ALL: 'C',
};
