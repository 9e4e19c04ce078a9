// SPDX-License-Identifier: MIT
// The commits of a bisection. Git chooses them, in a repository of ours that borrows the objects of the user's.
import { copyFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { ensureBorrower } from '../tree/borrower.ts';
import { checkRepository, isShallow } from '../tree/history.ts';
import { isExit } from '../util/exec.ts';
import { git, objectDirectory } from '../util/git.ts';
import { printable } from '../util/printable.ts';

/** A commit as people name it. Texts are printable. */
export type CommitInfo = { commit: string; subject: string; author: string; date: string };

/** Two commits of a repository. */
export type Range = { repository: string; good: string; bad: string };

/** What is to be asked next, and about how many more after that; or what was found, the newest first. */
export type BisectState = { next: string; left: number } | { first: string } | { possible: string[] };

/** Resolve GOOD..BAD. A missing BAD is HEAD. Throws usage or bad-input. */
export async function readBisectRange(range: string, dir: string, context: Context): Promise<Range> {
  const [, good = '', bad = ''] = /^(.+?)(?<!\.)\.\.(?!\.)(.*)$/.exec(range) ?? [];
  if (good === '')
    throw new KilnError('usage', `${range} is no range GOOD..BAD`, {
      hint: 'give a commit on which the test passes and one on which it fails: v6.11..v6.12',
    });
  const repository = resolve(dir);
  await checkRepository(repository, context);
  const find = (name: string) => findCommit(repository, name, context);
  return { repository, good: await find(good), bad: await find(bad || 'HEAD') };
}

async function findCommit(repository: string, name: string, context: Context): Promise<string> {
  const ask = ['rev-parse', '--verify', '--end-of-options', `${name}^{commit}`];
  const { stdout } = await git(repository, ask, { signal: context.signal }).catch(async (cause) => {
    if (!isExit(cause, 128)) throw cause;
    const shallow = await isShallow(repository, context);
    throw new KilnError('bad-input', `no commit "${name}" in ${repository}`, {
      cause,
      hint: shallow ? `it is shallow: git -C ${repository} fetch --unshallow` : 'git fetch may bring it',
    });
  });
  return stdout;
}

/** A bisection by git. */
export class BisectHistory {
  readonly #gitDir: string;
  readonly #range: Range;
  readonly #context: Context;

  private constructor(gitDir: string, range: Range, context: Context) {
    this.#gitDir = gitDir;
    this.#range = range;
    this.#context = context;
  }

  /** @param scratch a directory for the repository. Throws bad-input if there is nothing to bisect. */
  static async start(range: Range, scratch: string, context: Context): Promise<BisectHistory> {
    const { repository, good, bad } = range;
    const gitDir = join(scratch, 'bisect.git');
    await ensureBorrower(gitDir, await objectDirectory(repository, context.signal), context);
    if (await isShallow(repository, context)) await copyShallow(repository, gitDir, context);
    await writeFile(join(gitDir, 'HEAD'), `${bad}\n`);
    const history = new BisectHistory(gitDir, range, context);
    if ((await history.count()) === 0)
      throw new KilnError(
        'bad-input',
        `${bad.slice(0, 12)} is ${good === bad ? '' : 'older than '}${good.slice(0, 12)}`,
        {
          hint: 'GOOD..BAD needs a commit in between: GOOD is where the test passes, BAD where it fails',
        },
      );
    await history.#git('bisect', 'start', '--no-checkout', bad, good);
    return history;
  }

  /** How many commits BAD has that GOOD has not. */
  async count(): Promise<number> {
    const { good, bad } = this.#range;
    return Number(await this.#git('rev-list', '--count', bad, '--not', good));
  }

  async state(): Promise<BisectState> {
    const log = await this.#git('bisect', 'log');
    const first = /^# first bad commit: \[([0-9a-f]{40})\]/m.exec(log)?.[1];
    if (first !== undefined) return { first };
    const possible = [...log.matchAll(/^# possible first bad commit: \[([0-9a-f]{40})\]/gm)];
    if (possible.length > 0) return { possible: possible.map(([, commit]) => commit!) };
    const next = await this.#git('rev-parse', '--verify', 'BISECT_HEAD');
    const rest = ['rev-list', '--bisect-vars', 'refs/bisect/bad', '--not', '--glob=refs/bisect/good-*'];
    const left = /^bisect_steps=(\d+)$/m.exec(await this.#git(...rest))?.[1];
    return { next, left: Number(left ?? 0) };
  }

  /** Tell git of a commit. Throws bad-input where the history contradicts the range. */
  async answer(commit: string, answer: 'good' | 'bad' | 'skip'): Promise<void> {
    // 2: only skipped commits are left. 3: the ends' common ancestor is bad.
    const told = await git(this.#gitDir, ['bisect', answer, commit], {
      ...this.#options,
      okCodes: [0, 2, 3],
    });
    if (told.exitCode !== 3) return;
    const { good, bad } = this.#range;
    throw new KilnError(
      'bad-input',
      `${commit.slice(0, 12)}, from which ${good.slice(0, 12)} and ${bad.slice(0, 12)} descend, is bad: the test was fixed on the way to ${good.slice(0, 12)}`,
      { hint: 'give a GOOD from which BAD descends' },
    );
  }

  async describe(commit: string): Promise<CommitInfo> {
    const format = '--format=%s%x00%an <%ae>%x00%cs';
    const text = await this.#git('log', '-1', '--no-walk', '--encoding=UTF-8', format, commit);
    const [subject = '', author = '', date = ''] = text.split('\0').map(printable);
    return { commit, subject, author, date };
  }

  async #git(...args: string[]): Promise<string> {
    return (await git(this.#gitDir, args, this.#options)).stdout;
  }

  get #options() {
    return { signal: this.#context.signal };
  }
}

/** Where a shallow history ends is not said by its objects. */
async function copyShallow(repository: string, gitDir: string, { signal }: Context): Promise<void> {
  const ask = ['rev-parse', '--path-format=absolute', '--git-path', 'shallow'];
  await copyFile((await git(repository, ask, { signal })).stdout, join(gitDir, 'shallow'));
}
