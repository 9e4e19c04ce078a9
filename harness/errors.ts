// SPDX-License-Identifier: MIT
// What can go wrong, told apart by whose fault it is. The exit code belongs to the kind of trouble.

/** Exit codes of `kiln`, as docs and CI jobs know them. */
export const EXIT = {
  ok: 0,
  testFailed: 1,
  usage: 2,
  doesNotApply: 3,
  doesNotBuild: 4,
  infrastructure: 69,
  interrupted: 130,
} as const;

export type ErrorCode =
  | 'usage' // a word on the command line is wrong
  | 'bad-input' // a file we were given can't be used
  | 'does-not-apply' // a patch of the series
  | 'does-not-build' // the kernel or a test program
  | 'config-missing' // a requested config symbol did not get its value
  | 'infrastructure' // our own trouble, or the machine's
  | 'interrupted';

const exitCodes: Record<ErrorCode, number> = {
  usage: EXIT.usage,
  'bad-input': EXIT.usage,
  'does-not-apply': EXIT.doesNotApply,
  'does-not-build': EXIT.doesNotBuild,
  'config-missing': EXIT.doesNotBuild,
  infrastructure: EXIT.infrastructure,
  interrupted: EXIT.interrupted,
};

/** Where an error points: the fields a person or a script acts on. All optional, all plain text. */
export type ErrorDetails = {
  series?: string;
  patch?: string;
  file?: string;
  hunk?: string;
  symbol?: string;
  command?: string;
  log?: string;
  output?: string;
};

/** An error that we understand. `hint` says what to do next; `details` holds what to act on. */
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

/** Any thrown value as an error that we understand; what we don't know is our own trouble. */
export function asKilnError(error: unknown): KilnError {
  if (error instanceof KilnError) return error;
  // The teardown failed too; what was first is why.
  if (error instanceof SuppressedError) return asKilnError(error.suppressed);
  const node = error as NodeJS.ErrnoException;
  if (node?.name === 'AbortError') return interrupted(error);
  if (node?.code === 'ENOSPC')
    return new KilnError('infrastructure', `the disk is full: ${node.message}`, {
      hint: 'free some space there; for the cache `kiln clean`, or XDG_CACHE_HOME on a larger disk',
      cause: error,
    });
  if (node?.syscall === 'uv_os_homedir')
    return new KilnError('infrastructure', 'there is no home directory', {
      hint: 'set HOME or XDG_CACHE_HOME',
    });
  return new KilnError('infrastructure', node?.message ?? String(error), { cause: error });
}

/** The run was told to stop. */
export function interrupted(cause?: unknown): KilnError {
  return new KilnError('interrupted', 'interrupted', { cause });
}
