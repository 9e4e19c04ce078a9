// SPDX-License-Identifier: MIT
import { git } from '../util/git.ts';

/**
 * The text files of a commit whose paths match, by path. Files of one line without an end count, empty ones do not.
 * @param which git's pathspecs
 */
export async function readTexts(
  gitDir: string,
  commit: string,
  which: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  // One process for thousands of files; an empty pattern matches every line.
  const ask = ['grep', '-a', '--full-name', '--null', '-e', '', commit, '--', ...which];
  const { stdout } = await git(gitDir, ask, { okCodes: [0, 1], signal });
  const files = new Map<string, string[]>();
  for (const line of stdout.split('\n')) {
    const end = line.indexOf('\0');
    if (end < 0) continue;
    const path = line.slice(commit.length + 1, end);
    const lines = files.get(path) ?? [];
    lines.push(line.slice(end + 1));
    files.set(path, lines);
  }
  return new Map([...files].map(([path, lines]) => [path, `${lines.join('\n')}\n`]));
}
