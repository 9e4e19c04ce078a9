// SPDX-License-Identifier: MIT
import type { CheckResult, Results } from '../schema.ts';
import { ciOf } from './changes.ts';
import { cut, oneLine } from './plain.ts';

/** The fields that patchwork takes of a check (`POST /api/patches/ID/checks/`). */
export type PatchworkCheck = {
  state: 'pending' | 'success' | 'warning' | 'fail';
  /** A slug: letters, digits, `_`, `-`. The newest check of a context replaces older ones. */
  context: string;
  description: string;
};

/** A check that could not be made is neither passed nor failed. */
const states: Record<CheckResult['status'], PatchworkCheck['state']> = {
  pass: 'success',
  warn: 'warning',
  fail: 'fail',
  skip: 'pending',
};

/** Characters; patchwork shows it in a table. */
const longestDescription = 255;

/**
 * The checks of each patch by its message id, as patchwork finds patches. Patches that did not come by mail have none:
 * patchwork does not know them.
 */
export function patchworkChecks(results: Results): Record<string, PatchworkCheck[]> {
  return Object.fromEntries(
    ciOf(results).patches.flatMap(({ message_id, checks }) =>
      message_id === null ? [] : [[message_id, checks.map(checkOf)]],
    ),
  );
}

function checkOf({ name, status, summary }: CheckResult): PatchworkCheck {
  const text = status === 'skip' ? `not checked: ${summary}` : summary;
  const description = cut(oneLine(text), longestDescription);
  return { state: states[status], context: `kiln-${name}`, description };
}
