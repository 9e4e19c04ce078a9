// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import type { CaseResult } from '../schema.ts';
import { excerpt } from '../util/excerpt.ts';
import { readIfThere, regularFiles } from '../util/files.ts';

/** Failed cases of a test, and places of a case, that get source lines. */
const most = { cases: 50, places: 4 };

/**
 * Set `asserted` of failed cases: the source lines of the assertions that failed. Only files of the suite are read, and
 * only what the failed cases name.
 */
export async function addAsserted(cases: CaseResult[], suiteDir: string | undefined): Promise<void> {
  const failed = cases
    .filter(({ verdict }) => verdict === 'fail' || verdict === 'timeout')
    .slice(0, most.cases);
  const named = failed.map((item) => ({ item, places: placesIn(item.detail) }));
  if (suiteDir === undefined || named.every(({ places }) => places.length === 0)) return;
  const known = new Set(await regularFiles(suiteDir).catch(() => []));
  const texts = new Map<string, string[] | null>();
  for (const { item, places } of named) {
    const asserted: NonNullable<CaseResult['asserted']> = [];
    for (const { file, line } of places) {
      if (!known.has(file)) continue;
      if (!texts.has(file)) texts.set(file, await linesOf(join(suiteDir, file)));
      const source = excerpt(texts.get(file) ?? [], line);
      if (source) asserted.push({ file, line, source });
    }
    if (asserted.length > 0) item.asserted = asserted;
  }
}

async function linesOf(path: string): Promise<string[] | null> {
  const text = await readIfThere(path).catch(() => undefined);
  return text?.split('\n') ?? null;
}

/** As kselftest_harness.h prints them: `races.c:44:close_twice:Expected 0 (0) == ret (-1)`. Each line once. */
function placesIn(detail: string): { file: string; line: number }[] {
  const places = new Map<string, { file: string; line: number }>();
  for (const [where, path, line] of detail.matchAll(/^(?:\.\/)?([\w./-]+\.[ch]):(\d{1,6})(?=:)/gm))
    places.set(where, { file: path!, line: Number(line) });
  return [...places.values()].slice(0, most.places);
}
