// SPDX-License-Identifier: MIT
// What a series found where it was made, by its diffs: `index OLD..NEW` of each file.

/**
 * What a commit must have for a series to have been made on it. Keys are paths, values abbreviated blobs; '': any blob;
 * null: there is no such file.
 */
export type Preimages = Map<string, string | null>;

/**
 * The files as the first patch to touch each one found it.
 * @returns also the files whose diff does not say it
 */
export function preimagesOf(diffs: readonly string[]): { preimages: Preimages; unknown: string[] } {
  const preimages: Preimages = new Map();
  const unknown = new Set<string>();
  const touched = new Set<string>();
  for (const file of diffs.flatMap((diff) => diff.split(/^(?=diff --git )/m))) {
    if (!file.startsWith('diff --git ')) {
      for (const [, name] of file.matchAll(/^--- \S.*\n\+\+\+ (?:b\/)?([^\t\n]+)/gm)) unknown.add(name!);
      continue;
    }
    const { before, after, blob } = readHeader(file);
    const path = before ?? after;
    if (path === undefined || blob === undefined) unknown.add(path ?? file.split('\n', 1)[0]!);
    else if (!touched.has(path) && !preimages.has(path)) preimages.set(path, blob);
    for (const one of [before, after]) if (one !== undefined) touched.add(one);
  }
  return { preimages, unknown: [...unknown] };
}

/** `before`: where the old content is. `blob` as in Preimages. Undefined: the header does not have it. */
type Header = { before: string | undefined; after: string | undefined; blob: string | null | undefined };

/** The first line of each kind is the header's: lines of hunks begin with a sign. */
function readHeader(header: string): Header {
  const find = (pattern: RegExp) => pattern.exec(header)?.[1];
  // git quotes a name with a quotation mark, a backslash, a control character or, by default, a byte that is not ASCII.
  const both = find(/^diff --git a\/(.+) b\/\1$/m);
  const isNew = /^new file mode /m.test(header);
  const before = isNew
    ? undefined
    : (find(/^--- a\/([^\t\n]+)/m) ?? find(/^(?:rename|copy) from ([^"\n].*)$/m) ?? both);
  const after = find(/^\+\+\+ b\/([^\t\n]+)/m) ?? find(/^(?:rename|copy) to ([^"\n].*)$/m) ?? both;
  const blob = find(/^index ([0-9a-f]{7,40})\.\./m);
  if (isNew) return { before, after, blob: null };
  // Without an index line, the content stays: another mode, another name.
  if (blob === undefined) return { before, after, blob: /^--- /m.test(header) ? undefined : '' };
  return { before, after, blob: /^0+$/.test(blob) ? undefined : blob };
}
