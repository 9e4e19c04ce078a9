// SPDX-License-Identifier: MIT
// Text of others, made fit for a place that takes less than all text. All of it may come from a guest or a mail.
import { printable } from '../util/printable.ts';

/** Characters in one line, at most. */
const longest = 10_000;

/** Joins its lines, and removes what printable() removes. */
export function oneLine(text: string): string {
  return cut(printable(text.slice(0, 2 * longest)), longest)
    .replace(/\s+/g, ' ')
    .trim();
}

/** Only ASCII: without accents; `?` for what has no replacement. */
export function ascii(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^\t\n\x20-\x7e]/gu, (one) => replacements[one] ?? '?');
}

/** Each character, and what replaces it. */
const replacements: Record<string, string> = Object.fromEntries(
  `–- —- −- ×x ‘' ’' “" ”" «" »" ßss æae ÆAE øo ØO łl ŁL đd ĐD ıi`
    .split(' ')
    .map(([from, ...to]) => [from!, to.join('')]),
);

/** At most so many characters; `...` replaces the end of what is longer. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  // Not within a surrogate pair.
  return `${text.slice(0, most - 3).replace(/[\ud800-\udbff]$/, '')}...`;
}

/** The columns of prose in a mail. */
const proseWidth = 72;

/**
 * Prose in lines of at most 72 columns.
 * @param first stands before the first line; the others are indented by as much
 */
export function wrap(text: string, first = ''): string[] {
  const [indent, most] = [' '.repeat(first.length), proseWidth - first.length];
  const lines: string[] = [];
  let line = '';
  for (const word of words(text)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= most || line === '') line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line].map((one, index) => `${index === 0 ? first : indent}${one}`.trimEnd());
}

/**
 * Words, none of which ends with a colon but behind another: at the start of a line, it could be taken for a trailer of
 * the mail, such as Acked-by.
 */
function words(text: string): string[] {
  const joined: string[] = [];
  for (const word of oneLine(text)
    .split(' ')
    .map((one) => cut(one, proseWidth)))
    if (word.endsWith(':') && joined.length > 0) joined.push(cut(`${joined.pop()} ${word}`, proseWidth));
    else joined.push(word);
  return joined;
}

/** Renders the first items; a last line says how many more there are. */
export function firstOf<T>(
  items: readonly T[],
  most: number,
  render: (item: T, index: number) => string[],
  more: (count: number) => string,
): string[] {
  const lines = items.slice(0, most).flatMap(render);
  return items.length > most ? [...lines, more(items.length - most)] : lines;
}
