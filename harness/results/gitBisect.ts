// SPDX-License-Identifier: MIT
// Pure: the results of a run → what `git bisect run` is told of the commit.
import { exits } from '../errors.ts';
import type { Results, TestResult } from '../schema.ts';
import { printable } from '../util/printable.ts';

/** What makes a commit bad: a test that fails, or a kernel that does not boot. */
export type BisectSubject = 'test' | 'boot';

/** Exit codes that `git bisect run` knows. From 128 on it ends, and can be started again where it was. */
export const bisectExits = { good: 0, bad: 1, skip: 125, abort: 128 } as const;

export type ForGitBisect = { exitCode: number; answer: keyof typeof bisectExits; why: string };

/** Errors that a job owes to its commit. */
export const ofTheCommit: ReadonlySet<string> = new Set([
  'does-not-apply',
  'does-not-build',
  'config-missing',
]);

/** The answer to a run, and its reason, one line. */
export function forGitBisect({ jobs, tests }: Results, subject: BisectSubject): ForGitBisect {
  const error = jobs.map((job) => job.error).find((one) => one !== null);
  if (error && ofTheCommit.has(error.code)) return tell('skip', oneLine(error.message));
  if (error?.code === 'interrupted') return { ...tell('abort', error.message), exitCode: exits.interrupted };
  if (error) return tell('abort', error.message);
  const bad = tests.filter(({ verdict }) => ['fail', 'timeout', 'crash'].includes(verdict));
  // A program that does not build fails its test without a guest.
  const [failed, lost] = [bad.find(hasBooted), bad.find((test) => !hasBooted(test) && test.guest !== null)];
  if (lost && subject === 'boot') return tell('bad', lost.detail);
  if (failed && subject === 'test') return tell('bad', failed.detail);
  if (lost) return tell('skip', lost.detail);
  const unclear = tests.find(({ verdict, guest }) => verdict === 'error' || guest === null);
  if (unclear) return tell('skip', unclear.detail);
  const ran = tests.some(subject === 'boot' ? hasBooted : isPassed);
  return ran ? tell('good', '') : tell('skip', tests[0]?.detail || 'no test ran');
}

/** An error's exit code, which is no verdict about a commit. */
export function bisectCode(exitCode: number): number {
  return exitCode === exits.ok || exitCode >= bisectExits.abort ? exitCode : bisectExits.abort;
}

/** For people: `git bisect: skip, the kernel does not build`. */
export function bisectLine({ answer, why }: ForGitBisect): string {
  return `git bisect: ${answer}${why === '' ? '' : `, ${printable(why)}`}`;
}

/** A message up to its first reason: `the kernel does not build: init/main.c:1: …`. */
export function oneLine(message: string): string {
  const [first = '', next = ''] = message.split('\n');
  return first.endsWith(':') ? `${first} ${next.trim()}` : first;
}

function tell(answer: keyof typeof bisectExits, why: string): ForGitBisect {
  return { exitCode: bisectExits[answer], answer, why };
}

function hasBooted({ boot_ms }: TestResult): boolean {
  return boot_ms !== null;
}

function isPassed({ verdict }: TestResult): boolean {
  return verdict === 'pass' || verdict === 'xfail';
}
