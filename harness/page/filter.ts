// SPDX-License-Identifier: MIT
// Pure: the text of the filter box → which tests are shown.

/** What is known of a test, for the filter. All lower case, but for what is asked by `text`. */
export type Subject = Record<FilterKey, readonly string[]> & { text: () => string };

export const filterKeys = ['suite', 'test', 'verdict', 'state', 'job', 'patch', 'splat'] as const;
export type FilterKey = (typeof filterKeys)[number];

/** `key` null: anywhere in the text of a test. `values`: one of them has to be found. */
export type Term = { key: FilterKey | null; values: string[]; isNot: boolean };

/**
 * Words, each of which a test must have: `suite:srvfs verdict:fail,crash -job:base "a b"`.
 * @returns also the words before a colon that are no key, to tell the reader
 */
export function parseQuery(query: string): { terms: Term[]; unknown: string[] } {
  const unknown: string[] = [];
  const terms = [...query.toLowerCase().matchAll(/(-?)(?=\S)(?:([a-z]+):)?(?:"([^"]*)"?|(\S*))/g)].flatMap(
    ([, minus, word, quoted, plain]): Term[] => {
      const isKey = (filterKeys as readonly string[]).includes(word ?? '');
      const value = quoted ?? plain ?? '';
      const isNot = minus === '-';
      if (isKey) {
        const values = quoted === undefined ? value.split(',').filter((one) => one !== '') : [value];
        return values.length > 0 ? [{ key: word as FilterKey, values, isNot }] : [];
      }
      if (word !== undefined && quoted === undefined) unknown.push(word);
      return value === ''
        ? []
        : [{ key: null, values: [word === undefined ? value : `${word}:${value}`], isNot }];
    },
  );
  return { terms, unknown };
}

/** Whether a test has all that is asked for. */
export function matches(terms: readonly Term[], subject: Subject): boolean {
  return terms.every(({ key, values, isNot }) => {
    const found =
      key === null
        ? values.some((value) => subject.text().includes(value))
        : values.some((value) => subject[key].some((one) => isIn(key, one, value)));
    return found !== isNot;
  });
}

/** A verdict, a state and the number of a patch are meant whole; of others, a part is enough. */
function isIn(key: FilterKey, text: string, value: string): boolean {
  if (key === 'verdict' || key === 'state') return text === value;
  if (key === 'patch' && /^\d+$/.test(value)) return text === value;
  return text.includes(value);
}

/** The words that are searched for anywhere: cases with one of them are shown. */
export function wantedText(terms: readonly Term[]): string[] {
  return terms.filter(({ key, isNot }) => key === null && !isNot).flatMap(({ values }) => values);
}
