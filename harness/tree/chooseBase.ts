// SPDX-License-Identifier: MIT
// The base of a series that comes without one: each rule is asked in turn, and says why if it has no answer.
import { resolve } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import type { BaseChoice } from '../schema.ts';
import type { Series } from '../series/series.ts';
import { plural, several } from '../util/plural.ts';
import { baseByCommit } from './baseByCommit.ts';
import { checkRepository } from './history.ts';
import { findMatchingCommit } from './matchingBase.ts';
import { preimagesOf } from './preimages.ts';
import { type Answer, appliesOn, type BaseRequest, type Search } from './trial.ts';

export type { BaseRequest } from './trial.ts';

/**
 * Choose the base of a series: the one that --base names; the commit that the series names itself; the newest commit
 * that has the files as the series found them; the first of several --base on which it applies; the default. The reason
 * also says why the rules before it had no answer. Throws bad-input if --repo is no repository or a --base can't be used,
 * and does-not-apply if there are several --base and none fits, or if the series is damaged.
 */
export async function chooseBase(
  series: Series,
  request: BaseRequest,
  context: Context,
): Promise<BaseChoice> {
  const { asked, repo, fallback } = request;
  if (repo !== null) await checkRepository(resolve(repo), context);
  if (asked.length === 1) return { source: asked[0]!, how: 'asked', reason: 'given with --base' };
  const why: string[] = [];
  for (const rule of [baseByCommit, baseByBlobs, baseByTrial]) {
    const answer = await rule({ series, request, context });
    if (typeof answer !== 'string') return { ...answer, reason: [answer.reason, ...why].join('; ') };
    if (answer !== '') why.push(answer);
  }
  return { source: fallback, how: 'default', reason: ['the default', ...why].join('; ') };
}

/** The newest commit that has the blobs that the diffs name. */
async function baseByBlobs(search: Search): Promise<Answer> {
  const { series, request, context } = search;
  if (request.repo === null) return series.baseCommit === null ? 'no --repo was given' : '';
  const { preimages, unknown } = preimagesOf(series.patches.map(({ content }) => content.toString('utf8')));
  if (unknown.length > 0)
    return `the blobs of ${several(unknown, 3)} are not known: no index line in the diff`;
  const dir = resolve(request.repo);
  // Where nothing matches, git walks the whole history.
  context.note('info', `looking in ${dir} for the commit that the series was made on`);
  const { commit, why } = await findMatchingCommit(dir, preimages, context);
  if (commit === undefined) return why;
  const count = [...preimages.values()].filter((blob) => blob !== null).length;
  const what = `the newest commit in ${dir} with the ${count === 1 ? 'blob of the file' : `blobs of all ${plural(count, 'file')}`}`;
  const source = `git:${dir}#${commit}`;
  const failure = await appliesOn(source, search);
  if (failure) return `${what} is ${commit.slice(0, 12)}, but ${failure.details.patch} does not apply on it`;
  return { source, how: 'blobs', reason: what };
}

/** The first candidate on which the series applies. */
async function baseByTrial(search: Search): Promise<Answer> {
  const { series, request } = search;
  const { asked } = request;
  if (asked.length === 0) return '';
  const failures: { source: string; error: KilnError }[] = [];
  for (const source of asked) {
    const error = await appliesOn(source, search);
    if (error === undefined) {
      const reason = `the newest of ${asked.length} candidates on which it applies`;
      return { source, how: 'candidate', reason: [reason, ...failures.map(tellBriefly)].join('; ') };
    }
    failures.push({ source, error });
  }
  const there = failures.filter(({ error }) => error.details.cause === 'already-applied');
  const also = there.length === 0 ? '' : `; ${several(there.map(tellBriefly), 3, '; ')}`;
  throw new KilnError(
    'does-not-apply',
    `${series.name} applies to none of ${asked.length} candidates for its base${also}`,
    {
      hint: failures.map(({ source, error }) => `${source}: ${error.message}`).join('\n'),
      details: (there[0] ?? failures[0]!).error.details,
    },
  );
}

function tellBriefly({ source, error: { details } }: { source: string; error: KilnError }): string {
  if (details.cause === 'already-applied') return `${source} has ${details.patch} already`;
  return `${details.patch} does not apply to ${source}`;
}
