// SPDX-License-Identifier: MIT
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { KilnError } from '../errors.ts';
import type { Suite } from './suite.ts';

/** A patch that breaks one guarantee of a series, to see whether a test notices. */
export type Mutant = {
  /** The file's name without `.patch`. */
  name: string;
  path: string;
  /** The subject: what it breaks. */
  breaks: string;
  /** The test and the case that must fail; `case` is null if any failure of the test will do. */
  caughtBy: { test: string; case: string | null };
  /** Why no test can see it, if so. */
  survives: string | null;
};

/** The mutants of a suite: `mutants/*.patch` in its directory, by name. Throws bad-input if one has no `Caught-by:`. */
export async function readMutants({ dir }: Pick<Suite, 'dir'>): Promise<Mutant[]> {
  const place = join(dir, 'mutants');
  const names = (await readdir(place).catch(() => [])).filter((name) => name.endsWith('.patch')).sort();
  return Promise.all(names.map((name) => readMutant(join(place, name))));
}

async function readMutant(path: string): Promise<Mutant> {
  const text = await readFile(path, 'utf8');
  const message = text.split(/^(?:---|diff --git .*)$/m)[0]!;
  const [, test, own] = /^Caught-by: (\S+\/\S+)(?: (.+?))?\s*$/m.exec(message) ?? [];
  if (test === undefined)
    throw new KilnError('bad-input', `${path} does not say which test notices it`, {
      hint: 'its message has a line such as "Caught-by: srvfs/races concurrent_set_open_unlink"',
    });
  return {
    name: basename(path, '.patch'),
    path,
    breaks: (/^Subject:\s*((?:.|\n[ \t])*)$/m.exec(message)?.[1] ?? '')
      .replace(/\s+/g, ' ')
      .replace(/^(?:\[[^\]]*\] *)*/, ''),
    caughtBy: { test, case: own ?? null },
    survives: /^Survives: (.+(?:\n[ \t].*)*)$/m.exec(message)?.[1]?.replace(/\s+/g, ' ') ?? null,
  };
}
