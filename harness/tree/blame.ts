// SPDX-License-Identifier: MIT
import type { Context } from '../context.ts';
import { limits } from '../limits.ts';
import { git } from '../util/git.ts';
import { lastToTouch, type Tree } from './tree.ts';

/** From `file:line` to the file name of the patch that changed this line last. */
export type Blame = Map<string, string>;

/** Find the patch that each line comes from. Lines of the base are not in the result. */
export async function blameLines(
  tree: Tree,
  lines: { file: string; line: number }[],
  { signal }: Context,
): Promise<Blame> {
  const touched = lastToTouch(tree);
  const blame: Blame = new Map();
  const asked = lines.filter(({ file }) => touched.has(file));
  for (const [file, places] of Map.groupBy(asked, (place) => place.file)) {
    const numbers = [...new Set(places.map(({ line }) => line))];
    const ranges = numbers.flatMap((line) => ['-L', `${line},${line}`]);
    const range = `${tree.patches[0]!.commit}^..${tree.commit}`;
    const args = ['blame', '--porcelain', ...ranges, range, '--', file];
    // 128: a line number past the end of the file. The file is then left out.
    const { stdout } = await git(tree.gitDir, args, { signal, timeout: limits.blame, okCodes: [0, 128] });
    for (const [line, commit] of parseBlame(stdout)) {
      const patch = tree.patches.find((one) => one.commit === commit)?.file;
      if (patch) blame.set(`${file}:${line}`, patch);
    }
  }
  return blame;
}

/** Each entry begins with `COMMIT ORIGINAL-LINE LINE [COUNT]`. */
function parseBlame(porcelain: string): [number, string][] {
  return [...porcelain.matchAll(/^([0-9a-f]{40}) \d+ (\d+)(?: \d+)?$/gm)].map(([, commit, line]) => [
    Number(line),
    commit!,
  ]);
}
