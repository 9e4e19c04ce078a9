// SPDX-License-Identifier: MIT
import type { Context } from '../context.ts';
import { limits } from '../limits.ts';
import type { SourceExcerpt } from '../schema.ts';
import { excerpt } from '../util/excerpt.ts';
import { git } from '../util/git.ts';
import type { Tree } from './tree.ts';

type Place = { file: string; line: number };

/** The key of a place in the map of readExcerpts(), and in that of blameLines(). */
export function placeKey({ file, line }: Place): string {
  return `${file}:${line}`;
}

/** The lines around each place, by placeKey(). A file that the tree's commit lacks, as one that a build made, has none. */
export async function readExcerpts(
  tree: Pick<Tree, 'gitDir' | 'commit'>,
  places: readonly Place[],
  { signal }: Pick<Context, 'signal'>,
): Promise<Map<string, SourceExcerpt>> {
  const excerpts = new Map<string, SourceExcerpt>();
  for (const [file, own] of Map.groupBy(places, (place) => place.file)) {
    // 128: no such file.
    const options = { signal, timeout: limits.blame, okCodes: [0, 128] };
    const { stdout, exitCode } = await git(tree.gitDir, ['show', `${tree.commit}:${file}`], options);
    if (exitCode !== 0) continue;
    const lines = stdout.split('\n');
    for (const place of own) {
      const found = excerpt(lines, place.line);
      if (found) excerpts.set(placeKey(place), found);
    }
  }
  return excerpts;
}
