// SPDX-License-Identifier: MIT
// A range is read as commits, never as mail: mail would lose merges, CR LF, and messages that look like patches.
import { resolve } from 'node:path';
import { KilnError } from '../errors.ts';
import { isExit } from '../util/exec.ts';
import { git, objectDirectory } from '../util/git.ts';
import { type Patch, patchFile } from './patch.ts';

/** Commits in the user's repository: what the patches of a range are made from. */
export type Range = {
  /** Absolute path. */
  repository: string;
  /** The directory of its objects, absolute. */
  objects: string;
  /** The commit that the range was made on. */
  from: { commit: string; tree: string };
  /** Oldest first, one for each patch of the series. Each is the difference between `tree` and its parent's tree. */
  commits: RangeCommit[];
  /** Subjects of the merges in the range. */
  merges: string[];
};

export type RangeCommit = {
  commit: string;
  tree: string;
  /** The first parent that leads to the range's beginning. */
  parent: string;
  /** `NAME <EMAIL> SECONDS ZONE`, as git stores it. */
  author: string;
  /** In UTF-8; may be empty. */
  message: string;
};

/** A range as a series: what it shares with one that came by mail, and its commits. */
export type RangeSeries = {
  patches: Patch[];
  range: Range;
  /** Commits that change nothing. */
  leftOut: { subject: string; messageId: null; reason: string }[];
  warnings: string[];
  baseCommit: string;
};

/**
 * Read `A..B` from a repository, without writing to it. A merge is one patch: what it changes on its first parent.
 * If A is no ancestor of B, the range begins where they forked.
 * @param range A missing end is HEAD. Anything but two commits that share a history is a bad-input.
 */
export async function readRange(
  repository: string,
  range: string,
  signal?: AbortSignal,
): Promise<RangeSeries> {
  const directory = resolve(repository);
  const ask: Ask = async (args, options) =>
    (await git(directory, args, { ...(signal && { signal }), ...options })).stdout;
  const [a, b] = readEnds(range, repository);
  const tip = await findCommit(ask, directory, b);
  const asked = await findCommit(ask, directory, a);
  const { from, warnings } = await findBeginning(ask, { repository, a, b, asked, tip });
  const links = await firstParents(ask, from, tip);
  const described = await describeCommits(ask, [from, ...links.map(({ commit }) => commit)]);
  const tree = (commit: string) => described.get(commit)!.tree;
  const all = links.map((link) => ({ ...link, ...described.get(link.commit)! }));
  const kept = all.filter(({ commit, parent }) => tree(commit) !== tree(parent));
  return {
    patches: kept.map(({ commit, parent, subject }, index) => ({
      file: patchFile(index + 1, subject || commit.slice(0, 12)),
      content: Buffer.from(`${commit} ${parent}\n`),
      number: index + 1,
      subject,
      messageId: null,
      recoded: null,
    })),
    range: {
      repository: directory,
      objects: await objectDirectory(directory, signal),
      from: { commit: from, tree: tree(from) },
      commits: kept.map(({ subject: _, isMerge: __, ...commit }) => commit),
      merges: all.filter(({ isMerge }) => isMerge).map(({ subject, commit }) => subject || commit),
    },
    leftOut: all
      .filter((one) => !kept.includes(one))
      .map(({ subject, commit }) => ({
        subject: subject || commit,
        messageId: null,
        reason: 'changes nothing',
      })),
    warnings: [...warnings, ...warnOfBackMerges(all)],
    baseCommit: from,
  };
}

type Ask = (args: string[], options?: { input?: string; okCodes?: number[] }) => Promise<string>;

function readEnds(range: string, repository: string): [string, string] {
  const at = range.indexOf('..');
  const [a, b] = [range.slice(0, at), range.slice(at + 2)];
  if (b.startsWith('.'))
    throw new KilnError('bad-input', `${range} has commits of both sides, which are no series`, {
      hint: `give one side: git:${repository}#${a}..${b.slice(1)}`,
    });
  return [a || 'HEAD', b || 'HEAD'];
}

async function findCommit(ask: Ask, directory: string, name: string): Promise<string> {
  const commit = await ask(['rev-parse', '--verify', '--end-of-options', `${name}^{commit}`]).catch(
    async (cause) => {
      if (!isExit(cause, 128)) throw cause;
      throw new KilnError('bad-input', `no commit "${name}" in a git repository at ${directory}`, {
        cause,
        hint: (await isShallow(ask)) ? deepen(directory) : 'a range is git:DIR#A..B, with two commits of DIR',
      });
    },
  );
  if (commit.length !== 40)
    throw new KilnError('bad-input', `${directory} names its objects by SHA-256, which Kiln can't read`, {
      hint: 'give the series as patches: git format-patch',
    });
  return commit;
}

async function isShallow(ask: Ask): Promise<boolean> {
  return (await ask(['rev-parse', '--is-shallow-repository'], { okCodes: [0, 128] })) === 'true';
}

function deepen(directory: string): string {
  return `the repository is shallow, get the rest of its history: git -C ${directory} fetch --unshallow`;
}

type Ends = { repository: string; a: string; b: string; asked: string; tip: string };

/** Where the range begins: at A if B descends from it, else where the two forked. */
async function findBeginning(ask: Ask, ends: Ends): Promise<{ from: string; warnings: string[] }> {
  const { repository, a, b, asked, tip } = ends;
  const bases = await ask(['merge-base', '--all', asked, tip], { okCodes: [0, 1] });
  const [from, another] = bases.split('\n').filter(Boolean);
  const refuse = (message: string, hint: string) => new KilnError('bad-input', message, { hint });
  if (from === undefined)
    throw refuse(
      `${a} and ${b} have no common history in ${repository}`,
      (await isShallow(ask)) ? deepen(repository) : 'give a commit that B descends from as A',
    );
  if (another !== undefined)
    throw refuse(
      `${b} does not descend from ${a}, and they forked at several commits: ${bases.split('\n').join(', ')}`,
      `give the one that the series is for: git:${repository}#${from}..${b}`,
    );
  if (from === tip)
    throw refuse(
      `there is no commit in ${a}..${b}${asked === tip ? '' : `: ${b} is an ancestor of ${a}`}`,
      asked === tip ? 'a series needs at least one commit' : `is it git:${repository}#${b}..${a}?`,
    );
  if (from === asked) return { from, warnings: [] };
  const fork = from.slice(0, 12);
  return {
    from,
    warnings: [
      `${b} does not descend from ${a}: the series is what ${b} has since they forked, at ${fork} (git:${repository}#${fork}..${b})`,
    ],
  };
}

type Link = { commit: string; parent: string };

/** From the commit after `from` to `tip`: of each commit, the first parent that descends from `from` or is it. */
async function firstParents(ask: Ask, from: string, tip: string): Promise<(Link & { isFirst: boolean })[]> {
  const listed = await ask(['rev-list', '--ancestry-path', '--parents', `${from}..${tip}`]);
  const parents = new Map(listed.split('\n').map((line) => [line.slice(0, 40), line.split(' ').slice(1)]));
  const links: (Link & { isFirst: boolean })[] = [];
  for (let commit = tip; commit !== from; ) {
    const all = parents.get(commit)!;
    const parent = all.find((one) => one === from || parents.has(one))!;
    links.push({ commit, parent, isFirst: parent === all[0] });
    commit = parent;
  }
  return links.reverse();
}

/** A branch that merged the range's beginning: its own commits before that are in the merge. */
function warnOfBackMerges(commits: (Link & { subject: string; isFirst: boolean })[]): string[] {
  return commits
    .filter(({ isFirst }) => !isFirst)
    .map(
      ({ subject, commit }) =>
        `the merge ${commit.slice(0, 12)} ("${subject}") is one patch, with the commits of its first parent`,
    );
}

type Described = Pick<RangeCommit, 'tree' | 'author' | 'message'> & { subject: string; isMerge: boolean };

const fields = ['%H', '%T', '%P', '%an', '%ae', '%ad', '%s', '%B'];

async function describeCommits(ask: Ask, commits: string[]): Promise<Map<string, Described>> {
  const format = `--format=${fields.map((field) => `${field}%x00`).join('')}`;
  const how = ['--no-walk=unsorted', '--no-commit-header', '--encoding=UTF-8', '--date=raw'];
  const output = await ask(['rev-list', '--stdin', ...how, format], { input: `${commits.join('\n')}\n` });
  const values = output.split('\0');
  const described = new Map<string, Described>();
  for (let at = 0; at + fields.length <= values.length; at += fields.length) {
    const [hash, tree, parents, name, email, date, subject, message] = values.slice(at);
    described.set(hash!.trim(), {
      tree: tree!,
      author: asAuthor(name!, email!, date!),
      message: message!,
      subject: subject!,
      isMerge: parents!.includes(' '),
    });
  }
  return described;
}

/** A commit may hold an author that git itself would refuse to write. */
function asAuthor(name: string, email: string, date: string): string {
  const plain = (text: string) => text.replace(/[<>\n]/g, '').trim();
  return `${plain(name)} <${plain(email)}> ${/^\d+ [+-]\d{4}$/.test(date) ? date : '0 +0000'}`.trim();
}
