// SPDX-License-Identifier: MIT
// `Fixes: 12 hex digits ("subject")`: backports depend on it, so that a wrong one does harm.
import { git } from '../../util/git.ts';
import type { TagFinding } from './findings.ts';

/** A repository with the history that `Fixes:` refers to. */
export type History = {
  gitDir: string;
  /** The commit in it that the series is for; null if it has none. */
  base: string | null;
};

/** A commit that the digits of a tag begin; `inBase` is null if that is not known. */
export type FixedCommit = { subject: string; inBase: boolean | null };

/** What a history has for each tag's digits; null: that can't be told, because of `reason`. */
export type FixedCommits = { found: ReadonlyMap<string, FixedCommit[] | null>; reason: string };

const form = /^([0-9a-f]+) \("(.*)"\)$/i;

/** The digits of all well-formed tags. */
export function fixedHashes(tags: readonly string[]): string[] {
  return tags.flatMap((tag) => form.exec(tag)?.[1]?.toLowerCase() ?? []);
}

/** @param tag the line behind `Fixes:` */
export function judgeFixes(tag: string, { found }: FixedCommits): TagFinding[] {
  const [, digits, subject] = form.exec(tag) ?? [];
  const line = `Fixes: ${tag}`;
  if (digits === undefined || subject === undefined)
    return [{ status: 'warn', text: `"${line}" is not of the form: Fixes: 12 hex digits ("subject")` }];
  const short: TagFinding[] =
    digits.length < 12 ? [{ status: 'warn', text: `"${line}" has ${digits.length} hex digits, not 12` }] : [];
  const commits = found.get(digits.toLowerCase());
  if (!commits) return short;
  return [...short, ...judgeCommits(line, subject, commits)];
}

function judgeCommits(line: string, subject: string, commits: FixedCommit[]): TagFinding[] {
  const fail = (text: string): TagFinding[] => [{ status: 'fail', text: `"${line}" ${text}` }];
  if (commits.length === 0) return fail('names no commit');
  const plain = (text: string) => text.replace(/\s+/g, ' ').trim();
  const same = commits.filter((commit) => plain(commit.subject) === plain(subject));
  if (same.length === 0) return fail(`names a commit with another subject: "${commits[0]!.subject}"`);
  return same.every(({ inBase }) => inBase === false)
    ? fail('names a commit that the base does not have')
    : [];
}

/** Look up the digits of tags, without writing to the repository or fetching for it. */
export async function findFixed(
  history: History | null,
  hashes: readonly string[],
  signal: AbortSignal,
): Promise<FixedCommits> {
  if (history === null) return { found: new Map(), reason: 'no repository with its history is given' };
  const { gitDir, base } = history;
  const env = { GIT_NO_LAZY_FETCH: '1' };
  const ask = async (args: string[], okCodes = [0]) => git(gitDir, args, { signal, env, okCodes });
  const isShallow = (await ask(['rev-parse', '--is-shallow-repository'])).stdout === 'true';
  const find = async (digits: string): Promise<FixedCommit[] | null> => {
    const objects = (await ask(['rev-parse', `--disambiguate=${digits}`], [0, 128])).stdout;
    const commits: FixedCommit[] = [];
    for (const hash of objects.split('\n').filter(Boolean)) {
      if ((await ask(['cat-file', '-t', hash])).stdout !== 'commit') continue;
      const words = ['rev-list', '--no-walk', '--no-commit-header', '--format=%s', hash];
      const subject = (await ask(words)).stdout;
      commits.push({ subject, inBase: base === null ? null : await isAncestor(hash, base) });
    }
    return isShallow && commits.length === 0 ? null : commits;
  };
  const isAncestor = async (hash: string, of: string) => {
    // 128: the repository does not have the base.
    const { exitCode } = await ask(['merge-base', '--is-ancestor', hash, of], [0, 1, 128]);
    return exitCode === 0 || (isShallow || exitCode === 128 ? null : false);
  };
  const found = new Map<string, FixedCommit[] | null>();
  for (const digits of hashes) found.set(digits, await find(digits));
  return { found, reason: 'the repository is shallow' };
}
