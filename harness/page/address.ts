// SPDX-License-Identifier: MIT
// Pure: what the reader looks at, as the part of the page's address behind #.

/** `query`: of the filter box. `at`: the id of an element to go to; empty for the top of the page. */
export type Address = { query: string; at: string };

export function parseAddress(hash: string): Address {
  const words = new URLSearchParams(hash.replace(/^#/, ''));
  return { query: words.get('q') ?? '', at: words.get('at') ?? '' };
}

/** Starts with `#`. */
export function formatAddress({ query, at }: Address): string {
  const words = new URLSearchParams();
  if (query !== '') words.set('q', query);
  if (at !== '') words.set('at', at);
  return `#${words}`;
}

/** The id of a failed test in the page. */
export function failureId(suite: string, test: string): string {
  return `failure:${suite}/${test}`;
}

/** The id of a file's excerpt, or of one of its lines. */
export function fileId(path: string, line?: number): string {
  return line === undefined ? `file:${path}` : `file:${path}:${line}`;
}

/** The file and line that an id is about; null if it is about something else. */
export function readFileId(id: string): { path: string; line: number | null } | null {
  const found = /^file:(.*?)(?::(\d+))?$/s.exec(id);
  return found ? { path: found[1]!, line: found[2] === undefined ? null : Number(found[2]) } : null;
}

/**
 * A link to a file of the run, from the page in the run's directory. Always relative: a path that results.json brings
 * is never an address of its own, such as javascript:.
 */
export function fileLink(path: string): string {
  return `./${path.split('/').map(encodeURIComponent).join('/')}`;
}
