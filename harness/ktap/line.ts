// SPDX-License-Identifier: MIT
import type { CaseVerdict } from '../schema.ts';

/** One line of KTAP, parsed without its context. */
export type KtapLine = Nesting & Saying;

/**
 * How deep a line is nested. kselftest's runner nests with the prefix `# `, everything else with indentation.
 */
export type Nesting = {
  /** Columns before the keyword. A tab reaches to the next multiple of 8; `# ` has two columns. */
  width: number;
  /** The number of `# ` before the keyword. */
  hashes: number;
};

type Saying =
  | { type: 'version' }
  | { type: 'plan'; count: number; skip: string | null }
  | { type: 'subtest'; name: string }
  | { type: 'bailout'; reason: string }
  | ResultSaying
  | { type: 'text'; text: string };

/** `reason`: the text after the directive, or after a `#` without directive. */
export type ResultSaying = {
  type: 'result';
  number: number | null;
  name: string;
  verdict: CaseVerdict;
  reason: string;
};

/**
 * Parses a line of KTAP (Documentation/dev-tools/ktap.rst) or, as older tests print it, TAP
 * (testanything.org).
 */
export function readLine(line: string): KtapLine {
  const [prefix = ''] = /^(?:[ \t]|# )*/.exec(line) ?? [];
  const rest = line.slice(prefix.length);
  const saying = readSaying(rest);
  if (saying) {
    return { ...measure(prefix), ...saying };
  }
  // The regular expression for the prefix matches the `# ` of a subtest header, too.
  const subtest = /^Subtest:\s*(.*?)\s*$/s.exec(rest);
  if (subtest && prefix.endsWith('# ')) {
    return { ...measure(prefix.slice(0, -2)), type: 'subtest', name: subtest[1] ?? '' };
  }
  return { width: 0, hashes: 0, type: 'text', text: line };
}

function readSaying(rest: string): Saying | null {
  if (/^K?TAP version \d+\s*$/.test(rest)) {
    return { type: 'version' };
  }
  const plan = /^1\.\.(\d{1,40})\s*(?:#\s*(.*))?$/s.exec(rest);
  if (plan) {
    const skip = /^skip\S*\s*(.*)$/is.exec(plan[2] ?? '')?.[1];
    return { type: 'plan', count: Number(plan[1]), skip: skip?.trim() ?? null };
  }
  const bailout = /^Bail out!\s*(.*)$/is.exec(rest);
  if (bailout) {
    return { type: 'bailout', reason: withoutTotals(bailout[1] ?? '') };
  }
  const result = resultPattern.exec(rest);
  return result ? readResult(result[1] === 'ok', result[2], result[3] ?? '') : null;
}

/**
 * A failure, however it is spaced or capitalised: read as text, it would be `ok 2` behind the word `Not`. Only as TAP
 * writes it can it also have neither a number nor a dash.
 */
export const failureWords = '[Nn][Oo][Tt]\\s+[Oo][Kk]';
const resultPattern = new RegExp(
  `^(not ok:?|${failureWords}(?=\\s+\\d{1,9}(?:\\s|$)|\\s+-\\s|\\s*$)|ok)` +
    `(?:(?:\\s+|(?<=^not ok))(\\d{1,9})(?=\\s|$))?(?:\\s+(.*))?$`,
  's',
);

function readResult(ok: boolean, number: string | undefined, rest: string): ResultSaying {
  const description = withoutTotals(rest.replace(/^-(?:\s+|$)/, ''));
  const [before, directive, after] = cutDirective(description, ok);
  return {
    type: 'result',
    number: number === undefined ? null : Number(number),
    // kselftest.h's ksft_test_result_skip(), _xfail() and _error() put the name after the directive.
    name: before || after,
    verdict: verdictOf(ok, directive),
    // KTAP has no verdict for XPASS: `ok` decides, and the reason shows the directive.
    reason: directive === 'XPASS' ? `XPASS ${after}`.trim() : after,
  };
}

/**
 * Splits `name # DIRECTIVE reason` and `name # reason`. Only the first `#` counts: a failure whose reason
 * quotes `# SKIP` is a failure. `#12` within a name is no separator.
 *
 * TAP takes every word that begins with `skip` for a directive, in any case. A reason that happens to begin like a
 * directive must neither hide a failure (`# skipping the rest`) nor fail a result (`# error: none`).
 */
function cutDirective(text: string, ok: boolean): [string, string | null, string] {
  const mark = separatorPattern.exec(text);
  if (mark === null) {
    return [text.trim(), null, ''];
  }
  const before = text.slice(0, mark.index).trim();
  const word = mark[1] ?? '';
  const isReason = ok
    ? /^(?:timeout|error)$/i.test(word) && word !== word.toUpperCase()
    : /^SKIP(?!$|PED$)/i.test(word);
  if (word === '' || isReason) {
    return [before, null, text.slice(mark.index).replace(/^\s*#\s*/, '')];
  }
  const directive = word.toUpperCase().replace(/^SKIP.*/, 'SKIP');
  return [before, directive, text.slice(mark.index + mark[0].length).trim()];
}

const separatorPattern = /(?:^|\s)#(?:\s*(SKIP\w*|TODO|XFAIL|XPASS|TIMEOUT|ERROR)(?=[\s:]|$)[\s:]*|\s+|$)/i;

function verdictOf(ok: boolean, directive: string | null): CaseVerdict {
  switch (directive) {
    case 'SKIP':
      return 'skip';
    case 'XFAIL':
      return 'xfail';
    // TAP: a TODO that passes is done.
    case 'TODO':
      return ok ? 'pass' : 'xfail';
    case 'TIMEOUT':
      return 'timeout';
    // ERROR contradicts `ok`: assume the worse.
    case 'ERROR':
      return 'fail';
    default:
      return ok ? 'pass' : 'fail';
  }
}

/** If ksft_exit_fail_msg() or ksft_exit_skip() is called without `\n`, the totals follow on the same line. */
function withoutTotals(text: string): string {
  return text.replace(/# (?:Planned tests != run tests|Totals: pass:\d).*$/s, '').trim();
}

function measure(prefix: string): Nesting {
  let width = 0;
  let hashes = 0;
  for (const char of prefix) {
    width = char === '\t' ? (Math.floor(width / 8) + 1) * 8 : width + 1;
    hashes += char === '#' ? 1 : 0;
  }
  return { width, hashes };
}
