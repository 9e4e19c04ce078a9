// SPDX-License-Identifier: MIT
// Results that do not begin their line: text without a line end was printed before them.
import { failureWords, type ResultSaying, readLine } from './line.ts';

/** A result within a line, before it is known whether it is one or prose that looks like it. */
export type GluedResult = ResultSaying & {
  /** Columns of white space before it. */
  indent: number;
  /** The text before it ends like a word with these letters, such as `took 3`, or like `not`. */
  isPartOfWord: boolean;
  /** It stands in quotes. */
  isQuoted: boolean;
  /** The offset in the line at which it begins. */
  at: number;
};

/** The results in this text that do not begin it, in order; of a line that is full of them the first few. */
export function gluedResults(text: string): GluedResult[] {
  if (!/ok/i.test(text)) return [];
  const matches: RegExpExecArray[] = [];
  const isNext = (match: RegExpExecArray) => Number(match[2]) === Number(matches.at(-1)?.[2]) + 1;
  let [passed, failed] = [0, 0];
  for (const match of text.matchAll(gluedPattern)) {
    if (match.index === 0 || (matches.length === 0 && /^[ \t]*$/.test(text.slice(0, match.index)))) continue;
    // A failure must not be left out for the results before it, nor one of those that follow each other.
    const isFailure = /^not/i.test(match[0]);
    if (isFailure ? failed < maxInLine : passed < maxInLine || (isNext(match) && passed < maxInRow)) {
      matches.push(match);
      if (isFailure) failed++;
      else passed++;
    }
  }
  return matches.flatMap((match, i) => {
    const next = matches[i + 1];
    const isFollowed = next !== undefined && Number(next[2]) === Number(match[2]) + 1;
    const line = text.slice(match.index, isFollowed ? next.index : undefined);
    const saying = readLine(line.replace(/^(not\s+ok\s+\d+)[:.,)]/i, '$1 '));
    if (saying.type !== 'result') return [];
    const before = text.slice(0, match.index);
    const indent = before.length - before.trimEnd().length;
    const isPartOfWord = match[1] === undefined && partOfWord.test(before);
    return [{ ...saying, indent, isPartOfWord, isQuoted: /["'`]$/.test(before), at: match.index }];
  });
}

/** The reason of a `Bail out!` within this text, possibly empty; null if there is none, or if it is a quotation. */
export function gluedBailout(text: string): string | null {
  const at = text.search(/(?<!["'`])Bail out!/);
  const line = at < 0 ? null : readLine(text.slice(at));
  return line?.type === 'bailout' ? line.reason : null;
}

/** The word may be `took`, or a `not` that other bytes have cut off. */
const partOfWord = /(?:[oO_]|\b[nN])$|\b(?:[nN]?[oO])?[tT]\W*$/;
const maxInLine = 20;
const maxInRow = 200;
/** With a number or a dash. A failure may also have neither, or something behind the number. */
const gluedPattern = new RegExp(
  `(?:(${failureWords})|ok)\\s+(\\d{1,9})(?=\\s|$|(?<=${failureWords}\\s+\\d+)[:.,)])` +
    `|(?:${failureWords}|ok)(?=\\s+-(?:\\s|$))|${failureWords}(?=\\s*$)`,
  'g',
);

/**
 * The lines that a terminal would show for this one: without colours and other escape sequences, and apart where a
 * carriage return begins the line anew. Text that is overwritten is left out, results are not.
 */
export function shownLines(text: string): string[] {
  const plain = text.includes('\x1b') ? text.replace(escapePattern, '') : text;
  if (!plain.includes('\r') && !leadingJunk.test(plain)) return [plain];
  const parts = plain.split('\r').map((part) => part.replace(leadingJunk, ''));
  const shown = parts.findLastIndex((part) => part.trim() !== '');
  return parts.filter((part, index) => index === Math.max(shown, 0) || mayCount.test(part));
}

// ECMA-48: control sequences, commands that end with BEL or ST, and short sequences.
const escapePattern = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\^-~])/g;
const leadingJunk = /^[\x00-\x08\x0b\x0c\x0e-\x1f\ufeff]+/;
/** Not only prose. */
const mayCount = /[oO][kK]|1\.\.\d|TAP version|Bail out!|# Subtest/;
