// SPDX-License-Identifier: MIT
import type { CaseResult, CaseVerdict } from '../schema.ts';

/** One result line with what belongs to it. */
export interface KtapCase {
  /** Raw, as printed; without a description the directive's text or the `# Subtest:` name, else empty. */
  name: string;
  number: number | null;
  verdict: CaseVerdict;
  /** The directive's text and the diagnostics before the result; bounded. */
  detail: string;
  /** Its subtests, in order. */
  cases: KtapCase[];
}

/** Something that is wrong with the output as a whole. */
export interface KtapProblem {
  code: KtapProblemCode;
  /** The line where it was noticed, counted from 1; 0 if there was none. */
  line: number;
  /** For people. May hold text of the guest's. */
  message: string;
}

export type KtapProblemCode = keyof typeof FATAL;

export interface KtapResult {
  cases: KtapCase[];
  /** N of the outermost `1..N`. */
  plan: number | null;
  /** The reason in `1..0 # SKIP reason`, the whole program skipped; null if it was not. */
  skipped: string | null;
  /** The reason in `Bail out! reason`, may be empty; null without one. */
  bailout: string | null;
  problems: KtapProblem[];
  /** Diagnostics after the last result: the last words of a program that died; bounded. */
  trailing: string;
  /** How many lines were read. */
  lines: number;
}

/** Leaves, and parents that disagree with their children; the names of nested cases are joined with ` > `. */
export function flattenCases(result: Pick<KtapResult, 'cases'>): CaseResult[] {
  const flat: CaseResult[] = [];
  walk(result.cases, '');
  return flat;

  function walk(cases: readonly KtapCase[], prefix: string): void {
    for (const [index, { name, number, verdict, detail, cases: nested }] of cases.entries()) {
      const path = prefix + (name || `case ${number ?? index + 1}`);
      walk(nested, `${path} > `);
      if (nested.length === 0 || isBad(verdict) !== nested.some((child) => isBad(child.verdict))) {
        // A parent that is expected to fail agrees with failing children.
        if (nested.length === 0 || verdict !== 'xfail') {
          flat.push({ name: path, verdict, detail });
        }
      }
    }
  }
}

/** Whether a test with this problem fails even if every case passed, and why. */
const FATAL = {
  // Harmless: results are recognised without it.
  'no-version': false,
  // KTAP allows it; that the program came to its end is known from its exit status.
  'no-plan': false,
  // Results are missing, or there are results nobody planned.
  'plan-mismatch': true,
  // Two outputs are mixed, and neither can be checked for completeness.
  'plan-twice': true,
  // A forked child that runs on into the parent's code reports for it; one of the two results is wrong.
  'duplicate-number': true,
  // Tests in parallel finish as they like; a missing one shows in the plan.
  'out-of-order': false,
  // A result and its name stand at the line's beginning.
  'line-cut': false,
  // They are counted, and passed.
  'too-many-cases': false,
  // Some of the cases that are only counted failed.
  'unlisted-failures': true,
  // The program ended inside a subtest, or does not say how it went.
  'bad-nesting': true,
  // Nothing was tested.
  'no-results': true,
} as const;

/** Whether a test with this problem fails even if every case passed; the reasons stand with the table. */
export function isFatal(problem: Pick<KtapProblem, 'code'>): boolean {
  return FATAL[problem.code];
}

function isBad(verdict: CaseVerdict): boolean {
  return verdict === 'fail' || verdict === 'timeout';
}
