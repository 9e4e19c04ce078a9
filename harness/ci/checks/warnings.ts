// SPDX-License-Identifier: MIT
import { type Diagnostic, formatDiagnostic } from '../../kernel/diagnostics.ts';
import type { CheckResult } from '../../schema.ts';
import { plural } from '../../util/plural.ts';
import { added, shown } from './findings.ts';

/**
 * The warnings that a build has and the one of its parent has not, in any file: a header's change warns in others.
 * `before` must be of all objects that `after` is of. null: there was no such build.
 */
export function newWarnings(before: Diagnostic[] | null, after: Diagnostic[] | null): CheckResult {
  const name = 'warnings';
  if (before === null || after === null) {
    const which = after === null ? 'the patch' : 'its parent';
    return { name, status: 'skip', summary: `there is no build of ${which}`, findings: [] };
  }
  const old = before.filter(isWarning);
  const fresh = newDiagnostics(old, after.filter(isWarning));
  const gone = newDiagnostics(after.filter(isWarning), old).length;
  const count = fresh.length === 0 ? 'no new warning' : plural(fresh.length, 'new warning');
  const summary = `${count}, ${gone} gone, ${old.length} before`;
  return {
    name,
    status: fresh.length > 0 ? 'warn' : 'pass',
    summary,
    findings: shown(fresh.map(formatDiagnostic)),
  };
}

/** Those of `after` that have no partner in `before`, which may be on another line. */
export function newDiagnostics(before: readonly Diagnostic[], after: readonly Diagnostic[]): Diagnostic[] {
  return added(before, after, exact, loose);
}

function isWarning({ severity }: Diagnostic): boolean {
  return severity === 'warning';
}

function exact({ file, line, text }: Diagnostic): string {
  return JSON.stringify([file, line, stableText(text)]);
}

/** Added lines move a warning. */
function loose({ file, text }: Diagnostic): string {
  return JSON.stringify([file, stableText(text)]);
}

/** A frame's size and the counter in a generated name change with code that has nothing to do with the warning. */
function stableText(text: string): string {
  return text
    .replace(/(frame size(?: of| \()) ?\d+/, '$1 N')
    .replace(/\b(__UNIQUE_ID_\w*?|__compiletime_assert_)\d+\b/g, '$1N');
}
