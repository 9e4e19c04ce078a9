// SPDX-License-Identifier: MIT
// How make takes a text apart.

/** make's patterns: `%` stands for any text. */
export function substitute(word: string, from: string, to: string): string {
  const [head, tail] = from.split('%', 2) as [string, string | undefined];
  if (tail === undefined) return word === from ? to : word;
  if (!word.startsWith(head) || !word.endsWith(tail) || word.length < head.length + tail.length) return word;
  return to.replace('%', word.slice(head.length, word.length - tail.length));
}

/** Words, each as its literal texts and its references. */
export function pieces(text: string): string[][] {
  const tokens: string[][] = [];
  let token: string[] = [];
  const end = () => {
    if (token.length > 0) tokens.push(token);
    token = [];
  };
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text[at]!)) {
      end();
      at++;
      continue;
    }
    const start = at;
    if (text[at] === '$' && /[({]/.test(text[at + 1] ?? '')) at = endOfReference(text, at + 1);
    else
      do at++;
      while (at < text.length && !/[\s$]/.test(text[at]!));
    token.push(text.slice(start, at));
  }
  end();
  return tokens;
}

function endOfReference(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (/[({]/.test(text[at]!)) depth++;
    else if (/[)}]/.test(text[at]!) && --depth === 0) return at + 1;
  }
  return text.length;
}

/** Split at commas outside of references. */
export function splitArguments(text: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const character of text) {
    if (/[({]/.test(character)) depth++;
    else if (/[)}]/.test(character)) depth--;
    if (character === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts;
}
