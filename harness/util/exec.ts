// SPDX-License-Identifier: MIT
// Starts every program that Kiln runs, so that none outlives Kiln. No other file imports execa.
import { execa, type Options, type Result, type ResultPromise } from 'execa';
import { diskFull, interrupted, KilnError } from '../errors.ts';
import { limits } from '../limits.ts';

export type ExecOptions = {
  cwd?: string;
  /** Added to this process's environment; undefined removes a variable. */
  env?: Record<string, string | undefined>;
  input?: string | Uint8Array;
  /** Aborting ends the program (SIGTERM, five seconds later SIGKILL); the call then throws `interrupted`. */
  signal?: AbortSignal | undefined;
  /**
   * Milliseconds after which the program is ended and the call throws an infrastructure error. Default: 6
   * hours.
   */
  timeout?: number;
  /** The same after so many milliseconds without output. Default: 30 minutes. */
  silence?: number;
  /** Called with each line of stdout and stderr, as it comes; a long one is cut after 10,000 characters. */
  onLine?: (line: string) => void;
  /** Exit codes that are no error; default [0]. */
  okCodes?: number[];
};

/** A running program and its result, as execa has them. */
export type { Result as ChildResult, ResultPromise as Child } from 'execa';

export type ExecResult = { stdout: string; stderr: string; exitCode: number };

/** Bytes of output that are stored per program: enough for every message, and a bound for memory. */
const maxOutput = 64 * 1024 * 1024;
/** Characters of a line that is passed on, or shown in an error. */
const longestLine = 10_000;

/** Run a program to its end. Throws a KilnError with the command and the end of its output when it fails. */
export async function exec(file: string, args: string[], options: ExecOptions = {}): Promise<ExecResult> {
  options.signal?.throwIfAborted();
  const child = spawn(file, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    timeout: options.timeout ?? limits.programEnd,
    maxBuffer: maxOutput,
  });
  const silence = options.silence ?? limits.program;
  using watchdog = watchSilence(child, silence);
  const reading = options.onLine
    ? [readLines(child, 'stdout', options.onLine), readLines(child, 'stderr', options.onLine)]
    : [];
  const result: Result = await child;
  await Promise.all(reading);
  if (result.isCanceled) throw interrupted();
  const command = [file, ...args].join(' ');
  const output = { stdout: String(result.stdout ?? ''), stderr: String(result.stderr ?? '') };
  if (result.exitCode !== undefined && (options.okCodes ?? [0]).includes(result.exitCode))
    return { ...output, exitCode: result.exitCode };
  const excess = watchdog.wasSilent
    ? `printed nothing for ${Math.round(silence / 1000)} s`
    : result.isMaxBuffer
      ? `printed more than ${maxOutput / 2 ** 20} MiB`
      : null;
  const end = excess === null ? describeEnd(result) : `${excess} and was ended`;
  const isFull = output.stderr.includes('No space left on device');
  const error = new KilnError('infrastructure', `${file} ${end}${isFull ? ': the disk is full' : ''}`, {
    hint: isFull ? diskFull : '',
    details: { command, output: tail(`${output.stdout}\n${output.stderr}`) },
    cause: result,
  });
  if (excess !== null) excesses.set(error, excess);
  throw error;
}

/** Why `exec` ended a program that printed nothing or too much, by the error that it threw: a clause. */
const excesses = new WeakMap<object, string>();

/** The clause for an error of `exec`, such as "printed nothing for 1800 s"; null if the program ended otherwise. */
export function whyEnded(error: unknown): string | null {
  return excesses.get(error as object) ?? null;
}

/** Whether a program ended with this exit code, which `exec` threw. */
export function isExit(error: unknown, exitCode: number): boolean {
  return error instanceof KilnError && (error.cause as Partial<Result> | undefined)?.exitCode === exitCode;
}

/** Ends a program that prints nothing for so long. @param silence milliseconds */
function watchSilence(child: ResultPromise, silence: number): Disposable & { readonly wasSilent: boolean } {
  let wasSilent = false;
  const timer = setTimeout(() => {
    wasSilent = true;
    child.kill();
  }, silence);
  const restart = () => void timer.refresh();
  child.stdout?.on('data', restart);
  child.stderr?.on('data', restart);
  return {
    get wasSilent() {
      return wasSilent;
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

/**
 * Reads each stream by itself, so that lines of the two don't mix. Errors are reported by the child's result.
 */
async function readLines(child: ResultPromise, from: 'stdout' | 'stderr', onLine: (line: string) => void) {
  try {
    for await (const line of child.iterable({ from })) onLine(shortened(String(line)));
  } catch {}
}

/** Start a program that the kernel kills when this process ends, even by SIGKILL. */
export function spawn(
  file: string,
  args: string[],
  options: Options & { endSignal?: 'TERM' | 'KILL' } = {},
): ResultPromise {
  const { endSignal = 'TERM', ...rest } = options;
  // Node can't set a parent-death signal; setpriv can. It execs, so that the child is the program itself.
  return execa('setpriv', ['--pdeathsig', endSignal, '--', file, ...args], {
    ...rest,
    reject: false,
    all: true,
    forceKillAfterDelay: 5000,
    stripFinalNewline: true,
  }) as unknown as ResultPromise;
}

/** How a program ended, to follow its name in a sentence. */
export function describeEnd(result: Result): string {
  if (result.timedOut) return 'did not end in time';
  if (result.signal) return `was killed by ${result.signal}`;
  if (result.exitCode === 127) return 'was not found (`kiln doctor` lists what is missing)';
  if (result.exitCode !== undefined) return `failed with exit code ${result.exitCode}`;
  return `could not be started: ${result.shortMessage ?? 'unknown reason'}`;
}

/** The last 20 lines. The text may be of many megabytes, so that it is not split whole. */
function tail(text: string): string {
  const trimmed = text.trim();
  let from = trimmed.length;
  for (let lines = 0; lines < 20 && from >= 0; lines++)
    from = from === 0 ? -1 : trimmed.lastIndexOf('\n', from - 1);
  return trimmed
    .slice(from + 1)
    .split('\n')
    .map(shortened)
    .join('\n');
}

/** Lines go into reports: one of many megabytes would make these too large to be written. */
function shortened(line: string): string {
  return line.length > longestLine ? `${line.slice(0, longestLine)}…` : line;
}
