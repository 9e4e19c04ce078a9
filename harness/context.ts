// SPDX-License-Identifier: MIT
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What confines the programs that a series or a suite brings. */
export type Sandbox = {
  /** bubblewrap's arguments for what this machine can do; null: nothing confines them. */
  flags: string[] | null;
  /** Why it is so, for people. */
  reason: string;
  /** The programs come from elsewhere: they must leave no trace in what later builds use. */
  foreign: boolean;
};

/** What every stage gets: where to keep things, whom to tell, and when to stop. */
export type Context = {
  /** The cache directory, absolute. */
  cache: string;
  /** Aborted by SIGINT, SIGTERM or a run's deadline. */
  signal: AbortSignal;
  /** Long work says how far it is; `done` of `total` in whatever unit the text names. */
  progress: (text: string, done?: number, total?: number) => void;
  /** Something the user should know that is no result. */
  note: (level: 'info' | 'warn', text: string) => void;
  /** Absent: nothing confines what a series or a suite brings. */
  sandbox?: Sandbox;
};

/** `$XDG_CACHE_HOME/kiln`, else `~/.cache/kiln`. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_CACHE_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'kiln');
}

/** Whether kbuild can work below the directory: its Makefiles know no quoting. */
export function isTame(path: string): boolean {
  return !/[\s:]/.test(path);
}
