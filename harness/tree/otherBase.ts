// SPDX-License-Identifier: MIT
import type { Context } from '../context.ts';
import type { Patch } from '../series/patch.ts';
import { git } from '../util/git.ts';
import type { Base } from './base.ts';
import type { Conflict } from './conflict.ts';

/** Digits of a commit in messages. */
const digits = 10;

/**
 * What to say of a series that names the commit that it was made on, if this is another one than the base. The option
 * in the sentence can be pasted if the base's repository has the commit.
 */
export async function nameBase(
  base: Base,
  { series, patch }: Conflict,
  context: Context,
): Promise<{ sentence: string; hint: string } | undefined> {
  const named = series.baseCommit;
  if (named === null || !/^[0-9a-f]{7,40}$/.test(named) || base.commit.startsWith(named)) return undefined;
  const short = named.slice(0, digits);
  if (series.range)
    return {
      sentence: `the range was made on ${short}; use --base git:${series.range.repository}#${short}`,
      hint: 'or rebase the range onto this base',
    };
  const repository = /^git:(.+?)(?:#[^#]*)?$/.exec(base.source)?.[1];
  const has = repository !== undefined && (await hasCommit(base, named, context));
  const origin = `the series was made on ${short} (${originOf(series.patches, patch.subject, named)})`;
  if (has) return { sentence: `${origin}; use --base git:${repository}#${short}`, hint: '' };
  return {
    sentence: `${origin}; use --base git:DIR#${short}`,
    hint: `DIR is a git repository that has this commit${repository === undefined ? '' : `; ${repository} does not, git fetch may get it`}`,
  };
}

async function hasCommit({ gitDir }: Base, commit: string, { signal }: Context): Promise<boolean> {
  const ask = ['cat-file', '-e', `${commit}^{commit}`];
  return (await git(gitDir, ask, { signal, okCodes: [0, 1, 128] })).exitCode === 0;
}

/** Which mail has the trailer: a patch, else the cover letter, which is no patch. */
function originOf(patches: Patch[], subject: string, commit: string): string {
  const holder = baseCommitHolder(patches, commit);
  const total = /\b\d+\/(\d+)\b[^\]]*\]/.exec(subject)?.[1];
  const place = holder ? holder.place : total && `0/${total}`;
  return place === undefined ? 'its base-commit' : `base-commit of ${place}`;
}

/** The patch with this base-commit, by its n/m if it has one; undefined: it is in the cover letter. */
export function baseCommitHolder(
  patches: readonly Patch[],
  commit: string,
): { place: string | undefined } | undefined {
  const line = new RegExp(`^base-commit:\\s*${commit}\\b`, 'im');
  const holder = patches.find(({ content }) => line.test(content.toString('latin1')));
  return holder && { place: /\b\d+\/\d+\b/.exec(holder.subject)?.[0] };
}
