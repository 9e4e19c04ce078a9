// SPDX-License-Identifier: MIT
// `kiln test --git-bisect`: exit codes for `git bisect run`.
import { Option } from 'commander';
import { type BisectSubject, bisectCode, bisectLine, forGitBisect } from '../results/gitBisect.ts';
import type { Results } from '../schema.ts';

const name = '--git-bisect';

export function gitBisectOption(): Option {
  return new Option(
    `${name} <what>`,
    'exit codes for `git bisect run`: 0 good, 1 bad, 125 skip, 128 and above stop. test: a failed test is bad, a kernel that does not boot is skipped; boot: it is bad, and any other is good',
  ).choices(['test', 'boot']);
}

/** Print the answer as the last line. Returns the exit code. */
export function tellGitBisect(results: Results, subject: BisectSubject): number {
  const told = forGitBisect(results, subject);
  process.stdout.write(`${bisectLine(told)}\n`);
  return told.exitCode;
}

/** The exit code of a call that failed before it had results: git would take 2 for a bad commit. */
export function endForGitBisect(argv: readonly string[], exitCode: number): number {
  const isAsked = argv.some((word) => word === name || word.startsWith(`${name}=`));
  return isAsked ? bisectCode(exitCode) : exitCode;
}
