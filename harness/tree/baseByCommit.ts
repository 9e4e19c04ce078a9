// SPDX-License-Identifier: MIT
// The base that a series names: base-commit, or where its range begins.
import { resolve } from 'node:path';
import { namePrerequisite, type Prerequisite } from '../series/prerequisite.ts';
import { plural, several } from '../util/plural.ts';
import { findCommit, isShallow } from './history.ts';
import { baseCommitHolder } from './otherBase.ts';
import { findStack, patchIdsOfMails } from './patchIds.ts';
import { type Answer, appliesOn, type Search } from './trial.ts';

/** Digits of a commit in sentences. */
const digits = 12;

/** The commit that the series was made on, with what is to be applied before it. */
export async function baseByCommit(search: Search): Promise<Answer> {
  const { series, request, context } = search;
  const { range, baseCommit } = series;
  if (range)
    return {
      source: `git:${range.repository}#${range.from.commit}`,
      how: 'base-commit',
      reason: 'the commit that the range was made on',
    };
  if (baseCommit === null) return 'the series has no base-commit';
  const short = `base-commit ${baseCommit.slice(0, digits)}`;
  if (request.repo === null) return `${short} was not looked up: no --repo was given`;
  const dir = resolve(request.repo);
  const commit = await findCommit(dir, baseCommit, context);
  if (commit === undefined)
    return `${short} is not in ${dir}${(await isShallow(dir, context)) ? ', which is shallow' : ''}`;
  const { top, missing } = await findPrerequisites(dir, commit, search);
  if (missing.length > 0)
    return `${short} is in ${dir}, but not on it: ${several(missing, 5)} (git fetch what has them, or give them with --with)`;
  const source = `git:${dir}#${top}`;
  const failure = await appliesOn(source, search);
  if (failure) return `${short} is in ${dir}, but ${failure.details.patch} does not apply on it`;
  const holder = baseCommitHolder(series.patches, baseCommit);
  const where = holder === undefined ? 'the cover letter' : (holder.place ?? 'the patch');
  const count = series.prerequisites.filter(isPatch).length;
  const after = count === 0 ? '' : `, with its ${plural(count, 'prerequisite')}`;
  return { source, how: 'base-commit', reason: `base-commit of ${where}${after}` };
}

/** The commit with all prerequisites that --with does not bring, or the names of those that are missing. */
async function findPrerequisites(
  dir: string,
  base: string,
  { series: { prerequisites }, request: { before }, context }: Search,
): Promise<{ top: string; missing: string[] }> {
  const ids = prerequisites.filter(isPatch).map(({ value }) => value);
  // Without patch ids, nothing says which commits a mail or a change of b4 has become.
  if (ids.length === 0) return { top: base, missing: prerequisites.map(namePrerequisite) };
  const mails = before.flatMap(({ patches }) => patches.map(({ content }) => content));
  const given = await patchIdsOfMails(dir, mails, context);
  const { commit, missing } = await findStack(
    dir,
    base,
    ids.filter((id) => !given.has(id)),
    context,
  );
  return { top: commit, missing: missing.map((id) => `prerequisite-patch-id ${id.slice(0, digits)}`) };
}

function isPatch({ kind }: Prerequisite): boolean {
  return kind === 'patch-id';
}
