// SPDX-License-Identifier: MIT
// The summary of `kiln ci` for a terminal. All text may come from a guest, or from a mail.
import type { Change, CheckResult, Ci, CiPatch, Results } from '../schema.ts';
import { plural } from '../util/plural.ts';
import { printable } from '../util/printable.ts';
import {
  changeKinds,
  changeName,
  countChanges,
  evidenceOf,
  excerptOf,
  kindWords,
  pastOf,
  patchNumber,
  patchStatus,
  sincePatch,
} from './changes.ts';
import { firstOf, oneLine } from './plain.ts';

/** More patches than this are shown in ranges where neighbours pass. */
const manyPatches = 12;
/** Lines of a failure's excerpt, failures with an excerpt, and lines of everything else, at most. */
const most = { excerpt: 12, failures: 10, others: 10 };

/** One line for each patch, the changes, and why the run fails. */
export function ciLines(results: Results, ci: Ci, dir: string): string[] {
  const known = changeKinds
    .filter((kind) => kind !== 'new-failure')
    .map((kind) => changesOf(kind, most.others, (one) => [changeLine(one)]));
  return [
    '',
    ...patchLines(ci),
    ...changesOf('new-failure', most.failures, (one) => failureLines(one, results, ci, dir)),
    ...(known.some((one) => one.length > 0) ? ['', ...known.flat()] : []),
    ...bulleted('Not tested:', ci.not_tested),
    ...bulleted('Why it fails:', ci.failures),
    '',
  ];

  function changesOf(kind: Change['kind'], limit: number, render: (one: Change) => string[]): string[] {
    const found = ci.changes.filter((one) => one.kind === kind);
    return firstOf(found, limit, render, (count) => `… and ${count} more: ${kindWords(kind)}`);
  }
}

/** `3 patches: 1 passed, 1 with warnings, 1 failed; 2 new failures`. */
export function ciCounts(ci: Ci): string {
  const statuses = ci.patches.map(patchStatus);
  const words = { pass: 'passed', warn: 'with warnings', fail: 'failed', skip: 'not checked' };
  const counts = Object.entries(words).flatMap(([status, word]) => {
    const count = statuses.filter((one) => one === status).length;
    return count > 0 ? [`${count} ${word}`] : [];
  });
  const changes = countChanges(ci) || 'no change';
  return `${plural(ci.patches.length, 'patch')}: ${[counts.join(', '), changes].filter(Boolean).join('; ')}`;
}

/** A line for each patch; with many patches, one for neighbours that pass. */
function patchLines(ci: Ci): string[] {
  const groups: CiPatch[][] = [];
  for (const patch of ci.patches) {
    const last = groups.at(-1);
    const joins = ci.patches.length > manyPatches && last && [...last, patch].every(passes);
    if (joins) last.push(patch);
    else groups.push([patch]);
  }
  return groups.map((group) => {
    const [first, last] = [group[0]!, group.at(-1)!];
    return first === last ? patchLine(ci, first) : `PASS ${first.number} to ${patchNumber(ci, last)}`;
  });
}

function passes(patch: CiPatch): boolean {
  return patchStatus(patch) === 'pass' && patch.checks.every(({ status }) => status === 'pass');
}

/** `WARN 2/3 subject (checkpatch: 1 check; tags not checked)` */
function patchLine(ci: Ci, patch: CiPatch): string {
  const notes = patch.checks.flatMap(noteOf);
  const why = notes.length > 0 ? ` (${notes.join('; ')})` : '';
  return `${patchStatus(patch).toUpperCase()} ${patchNumber(ci, patch)} ${oneLine(patch.subject)}${why}`;
}

function noteOf({ name, status, summary }: CheckResult): string[] {
  if (status === 'pass') return [];
  return [status === 'skip' ? `${name} not checked` : `${name}: ${oneLine(summary)}`];
}

function failureLines(change: Change, results: Results, ci: Ci, dir: string): string[] {
  const evidence = evidenceOf(change, results);
  const logs = evidence?.guest?.console.replace(/\/[^/]*$/, '/');
  const { patched, base } = change.reproduce;
  const since = sincePatch(ci, change);
  return [
    '',
    `${kindWords(change.kind).toUpperCase()} ${changeName(change)}`,
    `  ${oneLine(change.sentence)}${since === '' ? '' : `, ${since}`}`,
    ...[pastOf(change), oneLine(change.detail)].filter((line) => line !== '').map((line) => `  ${line}`),
    ...firstOf(
      excerptOf(change, results).filter((line) => line.trim() !== '' && line !== change.detail),
      most.excerpt,
      (line) => [`    ${printable(line).replaceAll('\n', ' ')}`],
      (count) => `    … (${count} more lines)`,
    ),
    ...(logs === undefined ? [] : [`  logs: ${dir}/${logs}`]),
    ...(patched === null ? [] : [`  again: ${patched}`]),
    ...(base === null ? [] : [`  without the series: ${base}`]),
  ];
}

/** `FLAKY suite/test: case: 3 of 20 patched …` */
function changeLine(change: Change): string {
  return `${kindWords(change.kind).toUpperCase()} ${changeName(change)} (${oneLine(change.sentence)})`;
}

function bulleted(title: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  const [line, more] = [(item: string) => [`  ${oneLine(item)}`], (count: number) => `  … and ${count} more`];
  return ['', title, ...firstOf(items, most.others, line, more)];
}
