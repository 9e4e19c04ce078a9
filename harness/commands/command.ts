// SPDX-License-Identifier: MIT
import type { Command } from 'commander';

/** A command's work: from its arguments and options to its exit code. */
export type Action<A extends unknown[]> = (...args: A) => Promise<number>;

/** How a command is tied to the process; each command file exports one function that takes this. */
export type Cli = {
  program: Command;
  /** Aborted by SIGINT, SIGTERM, SIGHUP and --deadline. */
  signal: AbortSignal;
  /** For a command that tears down when it is interrupted: Ctrl-C aborts `signal`. */
  run: <A extends unknown[]>(action: Action<A>) => (...args: A) => Promise<void>;
  /** For a command that has nothing to tear down: Ctrl-C ends it at once. */
  look: <A extends unknown[]>(action: Action<A>) => (...args: A) => Promise<void>;
  /** End the run in order after so many seconds. */
  stopAfter: (seconds: number) => void;
};
