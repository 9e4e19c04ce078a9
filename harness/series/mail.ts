// SPDX-License-Identifier: MIT
// Mail is git's trade: mailsplit cuts mailboxes, mailinfo says whether a mail holds a diff.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { KilnError } from '../errors.ts';
import { exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import type { Patch } from './series.ts';

/** The patches of an mbox file or a maildir, ordered by their [PATCH n/m]; covers and replies are dropped. */
export async function mailPatches(path: string, signal?: AbortSignal): Promise<Patch[]> {
  return withScratch(async (dir) => {
    await exec('git', ['mailsplit', '-b', `-o${dir}`, path], { signal, okCodes: [0] }).catch((cause) => {
      throw new KilnError('bad-input', `${path} is no mailbox that git can read`, { cause });
    });
    const mails: (Patch & { subject: string })[] = [];
    for (const name of (await readdir(dir)).sort()) {
      const content = await readFile(join(dir, name));
      const info = await exec('git', ['mailinfo', '-b', join(dir, 'message'), join(dir, 'diff')], {
        input: content,
        signal,
      });
      const diff = await readFile(join(dir, 'diff'));
      if (diff.length === 0) continue;
      mails.push({ file: name, content, subject: /^Subject: (.*)$/m.exec(info.stdout)?.[1] ?? '' });
    }
    return inOrder(mails).map(({ content, subject }, index) => ({ file: fileName(index, subject), content }));
  });
}

/** The commits of a range in somebody's repository, as `git format-patch` writes them. */
export async function gitRange(repository: string, range: string, signal?: AbortSignal): Promise<Patch[]> {
  return withScratch(async (dir) => {
    const options = ['--no-signature', '--no-stat', '--full-index', '--binary', '-o', dir];
    await git(resolve(repository), ['format-patch', ...options, range, '--'], { signal }).catch((cause) => {
      throw new KilnError('bad-input', `${repository} has no range ${range}`, { cause });
    });
    const names = (await readdir(dir)).sort();
    return Promise.all(names.map(async (file) => ({ file, content: await readFile(join(dir, file)) })));
  });
}

/** Mailing lists deliver in any order. Where every mail says n/m, n decides; else the mailbox's order stands. */
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
  const dir = await mkdtemp(join(tmpdir(), 'kiln-mail-'));
  try {
    return await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
