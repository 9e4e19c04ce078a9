// SPDX-License-Identifier: MIT
import type { Context } from '../context.ts';
import { type ConflictCause, KilnError } from '../errors.ts';
import type { BaseChoice } from '../schema.ts';
import type { Series } from '../series/series.ts';
import { prepareBase } from './base.ts';
import { applySeries } from './tree.ts';

/** What the user gave. */
export type BaseRequest = {
  /** Values of --base in the user's order, the newest first. One alone is taken as it is. */
  asked: readonly string[];
  /** A git repository with the history of Linux. */
  repo: string | null;
  /** The base if nothing else decides: a value of --base. */
  fallback: string;
  /** Series that are applied before the series. */
  before: readonly Series[];
};

/** What every rule is given. */
export type Search = { series: Series; request: BaseRequest; context: Context };

/** A base, or why the rule has none: a sentence for people; '' if that is no news. */
export type Answer = BaseChoice | string;

/** What another base may mend. */
const ofTheBase: ReadonlySet<ConflictCause | undefined> = new Set([
  'already-applied',
  'another-base',
  'file-missing',
  'file-exists',
  'context-differs',
] as const);

/**
 * Apply a series to a base; the tree stays in the cache for the run.
 * @returns why it does not apply there; undefined: it applies. Throws what another base would not mend.
 */
export async function appliesOn(
  source: string,
  { series, request, context }: Search,
): Promise<KilnError | undefined> {
  const { base } = await prepareBase(source, context);
  try {
    await applySeries(base, [...request.before, series], context);
    return undefined;
  } catch (error) {
    if (error instanceof KilnError && ofTheBase.has(error.details.cause)) return error;
    throw error;
  }
}
