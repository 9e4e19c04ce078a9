// SPDX-License-Identifier: MIT
// The commit that a series was made on, by the blobs that its diffs name: `index OLD..NEW` of each file.
import type { Context } from '../context.ts';
import { git } from '../util/git.ts';

/** What a commit must have for a series to have been made on it. Keys are paths, values abbreviated blobs. */
export type Preimages = Map<string, string>;

/** The blobs that the first patch to touch each path names, as a series found them. New files have none. */
export function preimagesOf(diffs: readonly string[]): Preimages {
  const found: Preimages = new Map();
  const made = new Set<string>();
  for (const diff of diffs)
    for (const file of diff.split(/^(?=diff --git )/m)) {
      const blobs = /^index ([0-9a-f]{7,40})\.\.([0-9a-f]{7,40})/m.exec(file);
      const before =
        /^--- a\/([^\t\n]+)/m.exec(file)?.[1] ??
        /^rename from (.+)$/m.exec(file)?.[1] ??
        /^diff --git a\/(.+) b\/\1$/m.exec(file)?.[1];
      const after = /^\+\+\+ b\/([^\t\n]+)/m.exec(file)?.[1] ?? /^rename to (.+)$/m.exec(file)?.[1] ?? before;
      if (before !== undefined && blobs && !/^0+$/.test(blobs[1]!) && !made.has(before) && !found.has(before))
        found.set(before, blobs[1]!);
      if (after !== undefined) made.add(after);
    }
  return found;
}

/**
 * The newest commit of a repository, on any of its refs, that has each of these blobs at its path; null if there is none.
 * A newest match is the tip of a ref, or the next commit takes one of the blobs away, so only these are looked at.
 * @param gitDir a repository with its history
 */
export async function findMatchingCommit(
  gitDir: string,
  preimages: Preimages,
  { signal }: Context,
): Promise<string | null> {
  if (preimages.size === 0) return null;
  const candidates = new Set(await tips(gitDir, signal));
  for (const [path, blob] of preimages) {
    const object = (
      await git(gitDir, ['rev-parse', '--verify', '--quiet', `${blob}^{blob}`], {
        signal,
        okCodes: [0, 1, 128],
      })
    ).stdout;
    if (object === '') return null;
    // -m: a merge that brings another blob takes this one away from one of its parents.
    const ask = [
      'log',
      '--all',
      '-m',
      '--full-history',
      '--format=%P',
      `--find-object=${object}`,
      '--',
      path,
    ];
    const { stdout } = await git(gitDir, ask, { signal });
    for (const parent of stdout.split(/\s+/).filter(Boolean)) candidates.add(parent);
  }
  const matching: string[] = [];
  for (const commit of candidates) if (await hasAll(gitDir, commit, preimages, signal)) matching.push(commit);
  if (matching.length === 0) return null;
  const newest = ['rev-list', '--no-walk=sorted', '--max-count=1', ...matching];
  return (await git(gitDir, newest, { signal })).stdout;
}

async function tips(gitDir: string, signal: AbortSignal): Promise<string[]> {
  const ask = ['for-each-ref', '--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname)'];
  const { stdout } = await git(gitDir, ask, { signal });
  return [...stdout.matchAll(/\bcommit ([0-9a-f]{40})/g)].map(([, commit]) => commit!);
}

async function hasAll(
  gitDir: string,
  commit: string,
  preimages: Preimages,
  signal: AbortSignal,
): Promise<boolean> {
  const ask = ['ls-tree', '-z', '--full-tree', commit, '--', ...preimages.keys()];
  const { stdout } = await git(gitDir, ask, { signal });
  const entries = stdout.split('\0').map((line) => /^\d+ blob ([0-9a-f]{40})\t(.*)$/s.exec(line));
  const blobs = new Map(entries.flatMap((entry) => (entry ? [[entry[2]!, entry[1]!]] : [])));
  return [...preimages].every(([path, blob]) => blobs.get(path)?.startsWith(blob));
}
