// SPDX-License-Identifier: MIT
// Kinds of errors, by what caused them. Each kind has its exit code.

/** Exit codes of `kiln`. README.md documents them and CI jobs depend on them. */
export const exits = {
  ok: 0,
  testFailed: 1,
  usage: 2,
  doesNotApply: 3,
  doesNotBuild: 4,
  infrastructure: 69,
  interrupted: 130,
} as const;

export type ErrorCode =
  | 'usage' // an option or argument on the command line is wrong
  | 'bad-input' // a file or source that the user gave can't be used
  | 'does-not-apply' // a patch of the series
  | 'does-not-build' // the kernel or a test program
  | 'config-missing' // a requested config symbol did not get its value
  | 'infrastructure' // Kiln or the host failed
  | 'interrupted';

const exitCodes: Record<ErrorCode, number> = {
  usage: exits.usage,
  'bad-input': exits.usage,
  'does-not-apply': exits.doesNotApply,
  'does-not-build': exits.doesNotBuild,
  'config-missing': exits.doesNotBuild,
  infrastructure: exits.infrastructure,
  interrupted: exits.interrupted,
};

/** Why a patch does not apply. */
export type ConflictCause =
  | 'no-diff' // the mail or file holds no diff
  | 'damaged' // a mailer changed the patch, or it was cut off
  | 'already-applied' // the base, or what was applied before, has the change
  | 'another-base' // the series names the commit that it was made on, which is another one
  | 'file-missing' // a file that the patch changes is not there
  | 'file-exists' // a file that the patch adds is there
  | 'context-differs' // a file is not as the patch expects it
  | 'refused'; // git refused it: for its paths, or for a reason that only git's output has

/** What an error is about, for a person or a script to act on. All plain text. */
export type ErrorDetails = {
  series?: string;
  patch?: string;
  cause?: ConflictCause;
  file?: string;
  hunk?: string;
  symbol?: string;
  command?: string;
  log?: string;
  output?: string;
};

/** An error with a known cause. `hint` tells the user what to do next. */
export class KilnError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly details: ErrorDetails;

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string; details?: ErrorDetails; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'KilnError';
    this.code = code;
    this.hint = options.hint ?? '';
    this.details = options.details ?? {};
  }

  get exitCode(): number {
    return exitCodes[this.code];
  }
}

export const diskFull =
  'free some space there; for the cache `kiln clean`, or XDG_CACHE_HOME on a larger disk';

/** Converts any thrown value to a KilnError; an unknown one becomes an infrastructure error. */
export function asKilnError(error: unknown): KilnError {
  if (error instanceof KilnError) return error;
  // A teardown failed after the error that caused it: report the first one.
  if (error instanceof SuppressedError) return asKilnError(error.suppressed);
  const node = error as NodeJS.ErrnoException;
  if (node?.name === 'AbortError') return interrupted(error);
  if (node?.code === 'ENOSPC')
    return new KilnError('infrastructure', `the disk is full: ${node.message}`, {
      hint: diskFull,
      cause: error,
    });
  if (node?.code === 'EROFS' || node?.code === 'EACCES')
    return new KilnError('infrastructure', node.message, {
      hint: 'Kiln has to write there: for the cache, set XDG_CACHE_HOME to a directory that you may write to',
      cause: error,
    });
  if (node?.syscall === 'uv_os_homedir')
    return new KilnError('infrastructure', 'there is no home directory', {
      hint: 'set HOME or XDG_CACHE_HOME',
    });
  return new KilnError('infrastructure', node?.message ?? String(error), { cause: error });
}

/** A signal or the deadline stopped the run. */
export function interrupted(cause?: unknown): KilnError {
  return new KilnError('interrupted', 'interrupted', { cause });
}
