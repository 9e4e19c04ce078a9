// SPDX-License-Identifier: MIT
// Runs a script of the kernel tree. The series may have changed it, so that it is as little trusted as the build.
import { join } from 'node:path';
import type { Context } from '../../context.ts';
import { asKilnError } from '../../errors.ts';
import { confined, type Limits, type Mount } from '../../sandbox/sandbox.ts';
import { type ExecResult, isExit } from '../../util/exec.ts';
import { printable } from '../../util/printable.ts';

const miB = 2 ** 20;
/** checkpatch.pl takes 4 s of processor time for a small patch, which a busy host may give it in minutes. */
const limits: Limits = {
  processes: 128,
  memory: 4096 * miB,
  file: 64 * miB,
  disk: 256 * miB,
  time: 5 * 60_000,
};

export type Script = {
  /** Relative to `directory`. It names its interpreter itself, which differs from version to version. */
  file: string;
  words: string[];
  /** The tree, which it can't write to. */
  directory: string;
  /** Where it runs; default: the tree. */
  cwd?: string;
  /** What else it reads. */
  read?: Mount[];
  input?: Uint8Array;
};

/**
 * Run a script, in the sandbox. Exit codes 0 and 1 are its results. Otherwise `trouble` says what went wrong, in one
 * line: a check that can't be made never fails a run. Throws `interrupted`.
 */
export async function runScript(
  { file, words, directory, cwd = directory, read = [], input }: Script,
  context: Context,
): Promise<ExecResult | { trouble: string }> {
  // checkpatch.pl looks for its settings at home, and for the repository where GIT_DIR says.
  const env = { HOME: directory, GIT_DIR: '.git', LC_ALL: 'C.UTF-8', PYTHONDONTWRITEBYTECODE: '1' };
  const reach = { cwd, read: [directory, ...read], write: [], env };
  const options = { okCodes: [0, 1], ...(input && { input }) };
  try {
    return await confined(join(directory, file), words, reach, context, options, limits);
  } catch (thrown) {
    const error = asKilnError(thrown);
    if (error.code === 'interrupted') throw error;
    const last = error.details.output?.split('\n').at(-1) ?? '';
    const message = error.message.replace(/^the build was stopped:/, `${file}:`);
    const isMissing = isExit(error, 127) && last !== '';
    const trouble = isMissing ? last : last === '' ? message : `${message}: ${last}`;
    return { trouble: printable(trouble.replaceAll(`${directory}/`, '')).replace(/\s+/g, ' ') };
  }
}
