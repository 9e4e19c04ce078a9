// SPDX-License-Identifier: MIT
// `--fail-on`: checks of a patch that fail the run if they warn, fail or could not be made.
import { KilnError } from '../errors.ts';
import { type CheckResult, type CiPatch, checkNames } from '../schema.ts';

export type CheckName = CheckResult['name'];

/** What they find fails the run anyway, with a line of its own. */
const alwaysFail: readonly CheckName[] = ['apply', 'build', 'tests'];

/** Names of checks, separated by commas. Throws KilnError if one is unknown, or if there is none. */
export function parseFailOn(text: string): CheckName[] {
  const names = text.split(',').filter((name) => name !== '');
  const unknown = names.filter((name) => !checkNames.some((known) => known === name));
  const problem =
    unknown.length > 0
      ? `no check is called ${unknown.map((name) => `"${name}"`).join(', ')}`
      : 'it is empty';
  if (unknown.length > 0 || names.length === 0)
    throw new KilnError('usage', `--fail-on ${text}: ${problem}`, {
      hint: `the checks are: ${checkNames.join(', ')}`,
    });
  return [...new Set(names)] as CheckName[];
}

/**
 * Why a run fails for checks that were named, one line each: `patch 2 (subject): checkpatch: 1 error`. A check that was
 * skipped found nothing out, which is no pass: a patch may be the reason why a script ends early.
 */
export function failedChecks(patches: readonly CiPatch[], names: readonly CheckName[]): string[] {
  const counted = names.filter((name) => !alwaysFail.includes(name));
  return patches.flatMap(({ number, subject, checks }) =>
    checks
      .filter(({ name, status }) => counted.includes(name) && status !== 'pass')
      .map(
        ({ name, status, summary }) =>
          `patch ${number} (${subject}): ${name}: ${status === 'skip' ? 'not checked: ' : ''}${summary}`,
      ),
  );
}
