// SPDX-License-Identifier: MIT
import type { CaseResult, CaseVerdict } from '../schema.ts';
import { uniqueNames } from '../util/unique.ts';

/** One result line, with its diagnostics and subtests. */
export type KtapCase = {
  /** As printed, without escape sequences. Without a description: the directive's text or the name in `# Subtest:`, else empty. */
  name: string;
  number: number | null;
  verdict: CaseVerdict;
  /** The directive's text and the diagnostics before the result; bounded. */
  detail: string;
  /** Its subtests, in order. */
  cases: KtapCase[];
};

/** A problem of the output as a whole. */
export type KtapProblem = {
  code: KtapProblemCode;
  /** The line where it was found, from 1; 0 without output. */
  line: number;
  /** For people. May contain text from the guest. */
  message: string;
};

export type KtapProblemCode = keyof typeof fatalCodes;

export type KtapResult = {
  cases: KtapCase[];
  /** N of the outermost `1..N`. */
  plan: number | null;
  /** The reason in `1..0 # SKIP reason`; null if the program was not skipped. */
  skipped: string | null;
  /** The reason in `Bail out! reason`, possibly empty; null if it did not bail out. */
  bailout: string | null;
  problems: KtapProblem[];
  /** Diagnostics after the last result, for a program that died; bounded. */
  trailing: string;
  /** How many lines were read. */
  lines: number;
};

/**
 * Returns leaves, and parents that disagree with their children. Joins the names of nested cases with ` > `. Each name
 * is there once: the second of two gets ` (2)`, and so on.
 */
export function flattenCases(result: Pick<KtapResult, 'cases'>): CaseResult[] {
  const flat: CaseResult[] = [];
  walk(result.cases, '');
  return namedOnce(flat);

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

/** The same cases; a name that was there before gets a number. */
export function namedOnce(cases: readonly CaseResult[]): CaseResult[] {
  const unique = uniqueNames();
  return cases.map((one) => ({ ...one, name: unique(one.name) }));
}

/** Whether a problem fails a test whose cases all passed, and why. */
const fatalCodes = {
  // Harmless: results can be parsed without it.
  'no-version': false,
  // KTAP allows it; the exit status shows whether the program finished.
  'no-plan': false,
  // There are fewer or more results than planned.
  'plan-mismatch': true,
  // The program counted a failure whose result line did not come.
  'totals-mismatch': true,
  // Two outputs are mixed, and neither can be checked for completeness.
  'plan-twice': true,
  // A forked child may run into its parent's code and report twice: one of the results is wrong.
  'duplicate-number': true,
  // Parallel tests finish in any order; the plan shows whether one is missing.
  'out-of-order': false,
  // A result and its name are at the beginning of the line.
  'line-cut': false,
  // The result counts, although text stands before it in its line.
  'glued-result': false,
  // A line may hold a result or be prose: a person has to decide, so a test that passes tells of it.
  'unclear-result': false,
  // All cases that are only counted passed.
  'too-many-cases': false,
  // Some of the cases that are only counted failed.
  'unlisted-failures': true,
  // The program ended inside a subtest, or printed no result for it.
  'bad-nesting': true,
  // Nothing was tested.
  'no-results': true,
} as const;

/** Whether this problem fails a test whose cases all passed. */
export function isFatal(problem: Pick<KtapProblem, 'code'>): boolean {
  return fatalCodes[problem.code];
}

function isBad(verdict: CaseVerdict): boolean {
  return verdict === 'fail' || verdict === 'timeout';
}
