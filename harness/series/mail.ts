// SPDX-License-Identifier: MIT
// Mail is parsed by git: mailsplit splits mailboxes, mailinfo finds the diff in a mail.
import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { KilnError } from '../errors.ts';
import { git } from '../util/git.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { barePatch, type Patch } from './patch.ts';

/** The patches of an mbox file or a maildir, ordered by their [PATCH n/m]. Cover letters and replies are dropped. */
export async function mailPatches(path: string, signal?: AbortSignal): Promise<Patch[]> {
  return withScratch(async (dir) => {
    await git(dir, ['mailsplit', '-b', `-o${dir}`, path], { signal }).catch((cause) => {
      signal?.throwIfAborted();
      throw new KilnError('bad-input', `${path} is no mailbox that git can read`, { cause });
    });
    const mails: Patch[] = [];
    for (const name of (await readdir(dir)).sort()) {
      const content = await readFile(join(dir, name));
      const { subject, diff } = await readMail(content, dir, signal);
      if (holdsDiff(diff) && !isReply(subject)) mails.push({ ...barePatch(name, content), subject });
    }
    return inOrder(mails).map((mail, index) => ({ ...mail, file: fileName(index, mail.subject) }));
  });
}

/** `subject` includes [PATCH n/m]; `diff` is everything after the commit message. */
async function readMail(
  content: Buffer,
  scratch: string,
  signal?: AbortSignal,
): Promise<{ subject: string; diff: string }> {
  const [message, diff] = [join(scratch, 'message'), join(scratch, 'diff')];
  const info = await git(scratch, ['mailinfo', '-k', message, diff], { input: content, signal });
  const found = {
    subject: /^Subject: (.*)$/m.exec(info.stdout)?.[1] ?? '',
    diff: await readFile(diff, 'latin1'),
  };
  await Promise.all([rm(message), rm(diff)]);
  return found;
}

/** What mailinfo takes for a diff may be the diffstat of a cover letter. */
function holdsDiff(text: string): boolean {
  return /^(diff --git |--- \S|Index: |GIT binary patch)/m.test(text);
}

/** A diff in a reply is part of the discussion, not of the series. */
function isReply(subject: string): boolean {
  return /^(re|aw|sv|fwd?)\s*:/i.test(subject);
}

/** The commits of a range in the user's repository, as `git format-patch` writes them. */
export async function gitRange(repository: string, range: string, signal?: AbortSignal): Promise<Patch[]> {
  return withScratch(async (dir) => {
    // The repository's own configuration of format-patch must not change the patches.
    const settings = [
      'diff.noprefix',
      'diff.mnemonicPrefix',
      'format.coverLetter',
      'format.attach',
      'format.thread',
    ];
    const plain = settings.flatMap((name) => ['-c', `${name}=false`]);
    const options = [
      '--no-signature',
      '--no-stat',
      '--full-index',
      '--binary',
      '--no-cover-letter',
      '-o',
      dir,
    ];
    const format = [...plain, 'format-patch', ...options, '--subject-prefix=PATCH', range, '--'];
    await git(resolve(repository), format, { signal }).catch((cause) => {
      signal?.throwIfAborted();
      throw new KilnError('bad-input', `${repository} has no range ${range}`, { cause });
    });
    const names = (await readdir(dir)).sort();
    const patches = names.map(async (file) => barePatch(file, await readFile(join(dir, file))));
    // An empty commit gives an empty file.
    return (await Promise.all(patches)).filter(({ content }) => content.length > 0);
  });
}

/** Mailing lists deliver in any order. If every subject has n/m, sort by n; else keep the mailbox's order. */
function inOrder<T extends { subject: string }>(mails: T[]): T[] {
  const place = (mail: T) => Number(/^\[[^\]]*\b(\d+)\/\d+[^\]]*\]/.exec(mail.subject)?.[1] ?? Number.NaN);
  if (mails.some((mail) => Number.isNaN(place(mail)))) return mails;
  return mails.toSorted((a, b) => place(a) - place(b));
}

function fileName(index: number, subject: string): string {
  const words = subject.replace(/^(\[[^\]]*\]\s*)+/, '').replace(/[^A-Za-z0-9.]+/g, '-');
  return `${String(index + 1).padStart(4, '0')}-${words.replace(/^-+|-+$/g, '').slice(0, 52)}.patch`;
}

async function withScratch<T>(use: (dir: string) => Promise<T>): Promise<T> {
  await using scratch = await scratchDirectory(tmpdir());
  return await use(scratch.path);
}
