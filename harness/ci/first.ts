// SPDX-License-Identifier: MIT
// What the last run of a series broke: the next version runs these tests first. A record that can't be read or written
// changes nothing but the order.
import { join } from 'node:path';
import { z } from 'zod';
import type { Change } from '../schema.ts';
import type { Series } from '../series/series.ts';
import { readCachedJson, writeAtomic } from '../util/files.ts';
import { contentKey } from '../util/hash.ts';
import { plural, several } from '../util/plural.ts';
import { withoutTags } from './subject.ts';

const firstSchema = z.object({ revision: z.number().nullable(), tests: z.array(z.string()) });

/** Tests with new failures, as suite/test, and the version of the series that had them. */
export type First = z.infer<typeof firstSchema>;

/** What all versions of a series share: its change-id, else its subject; null if it has neither. */
export function identityOf({ changeId, cover, patches }: Series): string | null {
  if (changeId !== null) return `change-id ${changeId}`;
  const subject = withoutTags(cover?.subject ?? patches[0]?.subject ?? '');
  return subject === '' ? null : `subject ${subject.toLowerCase()}`;
}

/** Of the last run of a series; null if it broke nothing, or is not known. */
export async function readFirst(cache: string, series: Series): Promise<First | null> {
  const path = pathOf(cache, series);
  if (path === null) return null;
  const { data } = firstSchema.safeParse(await readCachedJson(path).catch(() => undefined));
  return data && data.tests.length > 0 ? data : null;
}

/** Record what a run found, for the next one. @param note gets why it could not be written */
export async function storeFirst(
  cache: string,
  series: Series,
  changes: readonly Change[],
  note: (text: string) => void,
): Promise<void> {
  const path = pathOf(cache, series);
  if (path === null) return;
  const broken = changes.filter(
    ({ kind, patched }) => kind === 'new-failure' || (kind === 'new-test' && patched.failed > 0),
  );
  const tests = [...new Set(broken.map(({ suite, test }) => `${suite}/${test}`))];
  const record: First = { revision: series.revision, tests };
  await writeAtomic(path, JSON.stringify(record)).catch((error: Error) =>
    note(`the next version will not run first what fails in this one: ${error.message}`),
  );
}

/** `first: what v2 failed: 3 tests (a/b, c/d, e/f)`. */
export function describeFirst({ revision }: First, tests: readonly string[]): string {
  const version = revision === null ? 'the last run' : `v${revision}`;
  return `first: what ${version} failed: ${plural(tests.length, 'test')} (${several(tests, 3)})`;
}

function pathOf(cache: string, series: Series): string | null {
  const identity = identityOf(series);
  return identity && join(cache, 'known', 'first', `${contentKey('first 1', identity)}.json`);
}
