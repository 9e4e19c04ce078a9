// SPDX-License-Identifier: MIT
import type { Results, TestResult, Verdict } from '../schema.ts';
import { printable } from '../util/printable.ts';
import { explain, explainedByCases, type Group, groupResults } from './groups.ts';
import { oneLine } from './plain.ts';
import { slowText } from './text.ts';

/** KTAP version 1 (Documentation/dev-tools/ktap.rst): cases nested in tests, which are nested in suites. */
export function renderKtap(results: Results): string {
  const groups = groupResults(results).map(renderGroup);
  return `${[...openLevel(null, groups.length), ...close(groups)].join('\n')}\n`;
}

/** A result line, and the lines before it. */
type Item = {
  name: string;
  verdict: Verdict;
  /** Replaces the verdict's usual directive. */
  directive?: string;
  reason: string;
  before: string[];
};

function renderGroup(group: Group): Item {
  switch (group.type) {
    case 'suite': {
      const items = group.tests.map(renderTest);
      const before = indent([...openLevel(group.name, items.length), ...close(items)]);
      return { name: group.name, verdict: worst(items), reason: '', before };
    }
    case 'left-out':
      return { name: group.name, verdict: 'skip', reason: group.reason, before: [] };
    case 'error':
      return { name: group.name, verdict: 'error', reason: `${group.code}: ${group.message}`, before: [] };
  }
}

function renderTest(test: TestResult): Item {
  const items = test.cases.map(({ name, verdict, detail }) => {
    const [reason = '', ...more] = detail.split('\n');
    return { name, verdict, reason, before: diagnostics(more.join('\n')) };
  });
  const cases = items.length === 0 ? [] : indent([...openLevel(test.test, items.length), ...close(items)]);
  const why = explainedByCases(test) ? [] : diagnostics(explain(test));
  const slow = diagnostics(slowText(test) ?? '');
  return {
    name: test.test,
    verdict: test.verdict,
    ...(test.tempo === 'hung' ? { directive: 'hung:' } : {}),
    reason: test.detail,
    before: [...cases, ...why, ...slow],
  };
}

function openLevel(name: string | null, plan: number): string[] {
  return ['KTAP version 1', ...(name === null ? [] : [`# Subtest: ${oneLine(name)}`]), `1..${plan}`];
}

function close(items: readonly Item[]): string[] {
  return items.flatMap((item, index) => [...item.before, resultLine(item, index + 1)]);
}

function resultLine({ name, verdict, directive, reason }: Item, number: number): string {
  const named = unmarked(name) || 'unnamed';
  const { ok, directive: usual } = outcomePattern[verdict];
  return `${ok} ${number} ${named}${comment(directive ?? usual, unmarked(reason))}`;
}

/** Replaces `#`, which begins a directive: a guest must not turn its failure into a skip. */
function unmarked(text: string): string {
  return oneLine(text).replaceAll('#', '_');
}

function comment(directive: string, reason: string): string {
  // The colon prevents that a parser takes the reason's first word for a directive.
  const text = directive === '' && reason !== '' ? `: ${reason}` : `${directive} ${reason}`.trim();
  return text === '' ? '' : ` # ${text}`;
}

/** As kselftest.h prints them. An expected failure is `ok` for parsers that do not know its directive. */
const outcomePattern: Record<Verdict, { ok: 'ok' | 'not ok'; directive: string }> = {
  pass: { ok: 'ok', directive: '' },
  fail: { ok: 'not ok', directive: '' },
  skip: { ok: 'ok', directive: 'SKIP' },
  xfail: { ok: 'ok', directive: 'XFAIL' },
  timeout: { ok: 'not ok', directive: 'TIMEOUT' },
  crash: { ok: 'not ok', directive: 'crash:' },
  error: { ok: 'not ok', directive: 'ERROR' },
};

/** A suite's verdict: it passes if no test of it is bad; it is skipped if all are skipped. */
function worst(items: readonly Item[]): Verdict {
  if (items.some(({ verdict }) => outcomePattern[verdict].ok === 'not ok')) {
    return items.every(({ verdict }) => outcomePattern[verdict].ok === 'ok' || verdict === 'error')
      ? 'error'
      : 'fail';
  }
  return items.length > 0 && items.every(({ verdict }) => verdict === 'skip') ? 'skip' : 'pass';
}

/** Without the bar, a parser could read a line that looks like KTAP as a result after `# `. */
function diagnostics(text: string): string[] {
  return text === ''
    ? []
    : printable(text)
        .split('\n')
        .map((line) => `# | ${line}`.trimEnd());
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
