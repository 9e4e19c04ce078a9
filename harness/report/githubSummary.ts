// SPDX-License-Identifier: MIT
// The summary of a step of GitHub Actions, in Markdown. All text may come from a guest or a mail.
import type { Change, CheckResult, Ci, Results } from '../schema.ts';
import { checkNames } from '../schema.ts';
import { plural } from '../util/plural.ts';
import { printable } from '../util/printable.ts';
import {
  changeKinds,
  changeName,
  changeTitles,
  ciOf,
  countChanges,
  earlyEndLines,
  excerptOf,
  patchNumber,
  sincePatch,
} from './changes.ts';
import { cut, firstOf, oneLine } from './plain.ts';

/** GitHub shows no summary at all of a step that has more than 1 MiB. */
export const summaryBytes = 1024 * 1024;
const excerptLines = 60;

export function renderGithubSummary(results: Results): string {
  const ci = ciOf(results);
  const blocks = [
    `## Kiln: ${markdown(ci.series.subject)}`,
    `${plural(ci.patches.length, 'patch')} on ${code(ci.base.source)}: ${countChanges(ci) || 'no change'}. ` +
      `The base: ${markdown(ci.base.reason)}.`,
    list('Why it fails', [...ci.failures, ...earlyEndLines(results)]),
    table(ci),
    ...changeKinds.flatMap((kind) => changeBlocks(kind, results, ci)),
    list('Only in the kernel log of the patched kernel', ci.new_log_lines),
    list('Not tested', ci.not_tested),
  ];
  return limited(blocks.filter((block) => block !== ''));
}

/** Leaves out blocks that do not fit. */
function limited(blocks: readonly string[]): string {
  const note = '(The rest is in results.json: GitHub does not show more.)\n';
  let text = '';
  for (const block of blocks) {
    const next = `${text}${block}\n\n`;
    if (Buffer.byteLength(next) + Buffer.byteLength(note) > summaryBytes) return `${text}${note}`;
    text = next;
  }
  return text;
}

const marks: Record<CheckResult['status'], string> = { pass: '✅', warn: '⚠️', fail: '❌', skip: '–' };

function table(ci: Ci): string {
  const columns = checkNames.filter((name) =>
    ci.patches.some(({ checks }) => checks.some((one) => one.name === name)),
  );
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    row(['patch', ...columns]),
    row(['---', ...columns.map(() => ':-:')]),
    ...ci.patches.map((patch) => {
      const cells = columns.map((name) => {
        const check = patch.checks.find((one) => one.name === name);
        if (!check) return '';
        return `${marks[check.status]}${check.status === 'pass' ? '' : ` ${markdown(cut(check.summary, 200))}`}`;
      });
      return row([`${patchNumber(ci, patch)} ${markdown(cut(patch.subject, 200))}`, ...cells]);
    }),
  ].join('\n');
}

function changeBlocks(kind: Change['kind'], results: Results, ci: Ci): string[] {
  const found = ci.changes.filter((one) => one.kind === kind);
  if (found.length === 0) return [];
  const blocks = found.map((one) => (kind === 'new-failure' ? details(one, results, ci) : line(one)));
  return [`### ${changeTitles[kind]} (${found.length})`, ...blocks];
}

function line(change: Change): string {
  return `* ${markdown(changeName(change))}: ${markdown(change.sentence)}`;
}

function details(change: Change, results: Results, ci: Ci): string {
  const since = sincePatch(ci, change);
  const { patched, base } = change.reproduce;
  const excerpt = excerptOf(change, results);
  return [
    `**${markdown(changeName(change))}**  `,
    [change.sentence, since, change.detail]
      .filter((one) => one !== '')
      .map(markdown)
      .join('  \n'),
    ...(excerpt.length === 0 ? [] : ['', preformatted(excerpt)]),
    ...(patched === null ? [] : ['', 'To reproduce it:', '', preformatted([patched])]),
    ...(base === null ? [] : ['', 'The same without the series:', '', preformatted([base])]),
  ].join('\n');
}

function list(title: string, items: readonly string[]): string {
  if (items.length === 0) return '';
  const more = (count: number) => `* ${count} more in results.json`;
  return [`### ${title}`, '', ...firstOf(items, 100, (one) => [`* ${markdown(one)}`], more)].join('\n');
}

/** In one line; GitHub's Markdown takes nothing of it for markup, a mention or a link. */
export function markdown(text: string): string {
  return cut(oneLine(text), 2000).replace(/[^\p{L}\p{N} ,]/gu, entity);
}

function code(text: string): string {
  return `<code>${markdown(text)}</code>`;
}

/** Lines as they are; Markdown ends at `<pre>`, and nothing in them can end that. */
function preformatted(lines: readonly string[]): string {
  const shown = firstOf(
    lines.flatMap((one) => one.split('\n')).filter((one) => one.trim() !== ''),
    excerptLines,
    (one) => [html(cut(printable(one.slice(0, 2000)).replaceAll('\n', ' '), 500))],
    (count) => `(${count} more lines)`,
  );
  return `<pre>\n${shown.join('\n')}\n</pre>`;
}

function html(text: string): string {
  return text.replace(/[&<>]/g, entity);
}

function entity(character: string): string {
  return `&#${character.codePointAt(0)};`;
}
