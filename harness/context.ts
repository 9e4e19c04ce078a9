// SPDX-License-Identifier: MIT
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The sandbox in which programs of a series or a suite run at build time. */
export type Sandbox = {
  /** bubblewrap's arguments on this machine; null: there is no sandbox. */
  flags: string[] | null;
  /** Why there is a sandbox, or none; shown to the user. */
  reason: string;
  /** The series is not in patches/: its programs must not change what later builds use. */
  foreign: boolean;
  /**
   * Where builds of a foreign series go that share a directory: those of one series, patch by patch. Who names it
   * removes it. Absent: each has its own, removed after the build.
   */
  home?: string;
};

/** What every stage is given. */
export type Context = {
  /** The cache directory, absolute. */
  cache: string;
  /** Aborted by SIGINT, SIGTERM or a run's deadline. */
  signal: AbortSignal;
  /** Reports the progress of long work: `done` of `total`, in the unit that `text` names. */
  progress: (text: string, done?: number, total?: number) => void;
  /** Shows the user something that is not a result. */
  note: (level: 'info' | 'warn', text: string) => void;
  /** Absent: programs of a series or a suite run without a sandbox. */
  sandbox?: Sandbox;
};

/** `$XDG_CACHE_HOME/kiln`, else `~/.cache/kiln`. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_CACHE_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'kiln');
}

/** Whether kbuild can work in the directory: its Makefiles do not quote paths for make, nor for the shell. */
export function isPlainPath(path: string): boolean {
  return !/[\s:=%#$&;|<>()'"`\\*?[\]{}]/.test(path);
}
