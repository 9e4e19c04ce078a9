// SPDX-License-Identifier: MIT
// Annotations of GitHub Actions: lines on standard output that its runner takes for commands
// (docs.github.com, "Workflow commands for GitHub Actions").
import type { Change, CheckResult, Ci, CiPatch, Results } from '../schema.ts';
import { isMessenger } from '../splat/culprit.ts';
import { printable } from '../util/printable.ts';
import { changeName, ciOf, earlyEnds, evidenceOf, kindWords, patchNumber, sincePatch } from './changes.ts';
import { cut, oneLine } from './plain.ts';

type Annotation = { level: 'error' | 'warning'; title: string; message: string; place: Place | null };
/** In the kernel tree. */
type Place = { file: string; line: number };

/** GitHub shows so many annotations of each level from a step. */
const limit = 10;
const longestMessage = 2000;

/** Errors: new failures and failed checks. Warnings: checks that warn, undecided and flaky tests. */
export function renderGithub(results: Results): string {
  const ci = ciOf(results);
  const all = [
    ...ofChanges('error', 'new-failure'),
    ...ofChecks('error', ci),
    ...earlyEnds(results).map(ofEnd),
    ...ofChecks('warning', ci),
    ...ofChanges('warning', 'undecided'),
    ...ofChanges('warning', 'flaky'),
  ];
  const shown = (['error', 'warning'] as const).flatMap((level) => {
    const found = all.filter((one) => one.level === level);
    if (found.length <= limit) return found;
    const rest = found.length - (limit - 1);
    const message = `${rest} more are in the summary of this step and in results.json`;
    return [...found.slice(0, limit - 1), { level, title: 'Kiln', message, place: null }];
  });
  return shown.map((one) => `${commandOf(one)}\n`).join('');

  function ofChanges(level: Annotation['level'], kind: Change['kind']): Annotation[] {
    return ci.changes.filter((one) => one.kind === kind).map((one) => ofChange(level, one, results, ci));
  }
}

function ofEnd({ code, message }: { code: string; message: string }): Annotation {
  return { level: 'error', title: `Kiln: ${code}`, message, place: null };
}

function ofChange(level: Annotation['level'], change: Change, results: Results, ci: Ci): Annotation {
  const since = sincePatch(ci, change);
  return {
    level,
    title: `${kindWords(change.kind)}: ${changeName(change)}`,
    message: [change.sentence, since, change.detail].filter((one) => one !== '').join('\n'),
    place: splatPlace(change, results),
  };
}

/** A line that the series changed, else the innermost that does not only report. */
function splatPlace(change: Change, results: Results): Place | null {
  const splats = evidenceOf(change, results)?.splats.filter(({ title }) => title === change.splat) ?? [];
  const places = splats.flatMap(({ frames = [] }) => frames.flatMap((frame) => frame.places));
  const own = places.filter((place) => !isMessenger(place.function));
  return own.find(({ patch }) => patch !== null) ?? own[0] ?? null;
}

function ofChecks(level: Annotation['level'], ci: Ci): Annotation[] {
  const status = level === 'error' ? 'fail' : 'warn';
  return ci.patches.flatMap((patch) =>
    patch.checks
      .filter((check) => check.status === status)
      .flatMap((check) => ofCheck(level, check, `patch ${patchNumber(ci, patch)}: ${check.name}`, patch)),
  );
}

function ofCheck(
  level: Annotation['level'],
  check: CheckResult,
  title: string,
  patch: CiPatch,
): Annotation[] {
  const placed = check.findings.flatMap((finding) => {
    const place = placeIn(finding);
    return place ? [{ level, title, message: finding, place }] : [];
  });
  if (placed.length > 0) return placed;
  return [{ level, title, message: `${check.summary}\n${oneLine(patch.subject)}`, place: null }];
}

/** The first `file:line` in a finding of a compiler or of checkpatch; null if it has none. Patches have no place. */
export function placeIn(finding: string): Place | null {
  const start = finding.slice(0, longestMessage);
  for (const [, file, line] of start.matchAll(/(?<![\w@.+/-])([\w@+-][\w@.+/-]{0,200}):(\d{1,7})\b/g)) {
    const isPath = /[/.]/.test(file!) && !file!.endsWith('.patch') && !file!.split('/').includes('..');
    if (isPath) return { file: file!, line: Number(line) };
  }
  return null;
}

function commandOf({ level, title, message, place }: Annotation): string {
  const properties = [
    ...(place ? [`file=${property(place.file)}`, `line=${place.line}`] : []),
    `title=${property(cut(oneLine(title), 200))}`,
  ];
  return `::${level} ${properties.join(',')}::${data(cut(printable(message).trim(), longestMessage))}`;
}

/** A `%` first: the other escapes contain it. */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(printable(text)).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
