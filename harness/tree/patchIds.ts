// SPDX-License-Identifier: MIT
// Commits by their patch ids, on top of another commit.
import type { Context } from '../context.ts';
import { git } from '../util/git.ts';
import { allRefs, bytesOf, type Commit, commitFormat, linesOf, parseCommit } from './history.ts';

/** A commit, and the patch ids that are not between the base and it. */
export type Stack = { commit: string; missing: string[] };

/**
 * The commit up to which patches follow one another on a base, in any order and with nothing between them, on any ref.
 * Of several, the one with most of the patches, then the newest.
 * @param patchIds as `git format-patch --base` or `git patch-id --stable` forms them
 */
export async function findStack(
  dir: string,
  base: string,
  patchIds: readonly string[],
  context: Context,
): Promise<Stack> {
  let best: Stack = { commit: base, missing: [...new Set(patchIds)] };
  if (best.missing.length === 0) return best;
  const children = await childrenOf(dir, base, context);
  // Each commit has one parent, so each is seen once.
  for (let level = [best]; level.length > 0; ) {
    const next = level.flatMap((below) =>
      (children.get(below.commit) ?? []).map(({ commit, date }) => ({ commit, date, below })),
    );
    const ids = await patchIdsOf(
      dir,
      next.map(({ commit }) => commit),
      context,
    );
    level = next
      .toSorted((a, b) => b.date - a.date)
      .flatMap(({ commit, below }) => {
        const id = below.missing.find((one) => ids.get(commit)?.has(one));
        return id === undefined ? [] : [{ commit, missing: below.missing.filter((one) => one !== id) }];
      });
    best = level[0] ?? best;
  }
  return best;
}

/** Commits of one parent that descend from a base, by their parent. */
async function childrenOf(dir: string, base: string, context: Context): Promise<Map<string, Commit[]>> {
  const children = new Map<string, Commit[]>();
  const walk = ['rev-list', '--ancestry-path', '--max-parents=1', '--no-commit-header'];
  const ask = [...walk, `--format=${commitFormat}`, ...allRefs, `^${base}`];
  for await (const line of linesOf(dir, ask, context)) {
    const commit = parseCommit(line);
    const [parent = ''] = commit.parents;
    children.set(parent, [...(children.get(parent) ?? []), commit]);
  }
  return children;
}

/** The patch ids of each commit. */
async function patchIdsOf(
  dir: string,
  commits: readonly string[],
  context: Context,
): Promise<Map<string, Set<string>>> {
  const found = new Map(commits.map((commit) => [commit, new Set<string>()]));
  if (commits.length === 0) return found;
  const ask = ['diff-tree', '--stdin', '-p', '-M', '--full-index'];
  const diffs = await bytesOf(dir, ask, `${commits.join('\n')}\n`, context);
  for (const [id, commit] of await readIds(dir, diffs, context)) found.get(commit)?.add(id);
  return found;
}

/** The patch ids of mails, each of which has one diff. @param dir any directory */
export async function patchIdsOfMails(
  dir: string,
  mails: readonly Buffer[],
  context: Context,
): Promise<Set<string>> {
  if (mails.length === 0) return new Set();
  const parts = mails.flatMap((mail, index) => [
    Buffer.from(`commit ${String(index + 1).padStart(40, '0')}\n`),
    mail,
    Buffer.from('\n'),
  ]);
  return new Set((await readIds(dir, Buffer.concat(parts), context)).map(([id]) => id));
}

/** Pairs of a patch id and the commit that stands before the diff. */
async function readIds(dir: string, diffs: Buffer, { signal }: Context): Promise<[string, string][]> {
  const ids: [string, string][] = [];
  // b4 reads the lines about a renamed file, git format-patch does not.
  const bare = diffs.toString('latin1').replace(/^(?:similarity index|rename (?:from|to)) .*\n/gm, '');
  for (const input of [diffs, Buffer.from(bare, 'latin1')]) {
    const { stdout } = await git(dir, ['patch-id', '--stable'], { signal, input });
    for (const [, id, commit] of stdout.matchAll(/^(\S+) (\S+)$/gm)) ids.push([id!, commit!]);
  }
  return ids;
}
