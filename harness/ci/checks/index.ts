// SPDX-License-Identifier: MIT
// The checks of a patch, in the order of `checkNames`. What applies, builds and boots a patch reports the others itself.
import type { Context } from '../../context.ts';
import type { Diagnostic } from '../../kernel/diagnostics.ts';
import { type CheckResult, checkNames } from '../../schema.ts';
import type { Patch } from '../../series/patch.ts';
import type { AppliedPatch } from '../../tree/tree.ts';
import { checkpatch } from './checkpatch.ts';
import { kernelDoc } from './kernelDoc.ts';
import { type Sizes, size } from './size.ts';
import type { Source } from './source.ts';
import { newWarnings } from './warnings.ts';

/** What the checks know of a patch that applies. */
export type Subject = {
  /** As it came. */
  patch: Patch;
  /** The commit that became of it, in the repository of `source`. */
  applied: AppliedPatch;
  source: Source;
};

/** What the builds of the patch and of its parent left; null: there was no such build. */
export type Builds = {
  warnings: { before: Diagnostic[] | null; after: Diagnostic[] | null };
  kernels: Sizes | null;
};

type Check<T> = { name: CheckResult['name']; run: (given: T, context: Context) => Promise<CheckResult> };

/** They need no build. That of the tags is apart: it asks a repository, which may have more commits in the next run. */
export const sourceChecks: Check<Subject>[] = [
  { name: 'checkpatch', run: (subject, context) => checkpatch(subject, subject.source, context) },
  { name: 'kernel-doc', run: ({ applied, source }, context) => kernelDoc(applied, source, context) },
];

/** They compare two builds. */
export const buildChecks: Check<Builds & { source: Source }>[] = [
  { name: 'warnings', run: async ({ warnings }) => newWarnings(warnings.before, warnings.after) },
  { name: 'size', run: ({ kernels, source }, context) => size(kernels, source, context) },
];

/** Run checks one after another: those of a source share its work tree. */
export async function runChecks<T>(
  checks: readonly Check<T>[],
  given: T,
  context: Context,
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) results.push(await check.run(given, context));
  return results;
}

/** The results in the order in which they are shown. */
export function inOrder(results: readonly CheckResult[]): CheckResult[] {
  return results.toSorted((a, b) => checkNames.indexOf(a.name) - checkNames.indexOf(b.name));
}
