// SPDX-License-Identifier: MIT
// Tests that misbehave on purpose. A comment beside each one states the expected result: in NAME.c, or in NAME.settings
// for a section. It begins with `Expected: ` and has the verdict and the titles of all splats: `fail; oom: Out of
// memory`. A final `...` allows more splats.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { paths } from '../paths.ts';
import type { Results } from '../schema.ts';
import { readSuite } from '../suite/suite.ts';
import { find } from './kiln.ts';

export type Canary = {
  /** `suite/test` */
  name: string;
  /** `suite/program`, which selects all tests of the program. */
  program: string;
  verdict: string;
  /** `kind: title` of each splat. */
  splats: string[];
  /** Other splats are allowed. */
  isOpen: boolean;
};

export const fixture = (name: string) => join(paths.fixtures, name);

/** The suites of canaries that need only a plain kernel. `limits` has those that run into their time limit. */
export const canaries = ['canaries', 'limits'];
export const canaryDirs = canaries.map(fixture);

/** All tests of these suites of harness/fixtures. */
export async function readCanaries(...suites: string[]): Promise<Canary[]> {
  const all = suites.map(async (suite) => {
    const { tests } = await readSuite(fixture(suite));
    return Promise.all(tests.map(({ name, program }) => readCanary(suite, name, program)));
  });
  return (await Promise.all(all)).flat();
}

async function readCanary(suite: string, test: string, program: string): Promise<Canary> {
  const section = test.slice(program.length + 1);
  const file = join(fixture(suite), section ? `${program}.settings` : `${program}.c`);
  const text = await readFile(file, 'utf8');
  const own = section ? text.split(/^(?=\[)/m).find((part) => part.startsWith(`[${section}]`)) : text;
  const expected = /^(?:\/\/|#) Expected: (.+)$/m.exec(own ?? '')?.[1];
  if (!expected) throw new Error(`${file}: no expected result of ${test} (Expected: ...)`);
  const [verdict, ...splats] = expected.split('; ');
  const isOpen = splats.at(-1) === '...';
  return {
    name: `${suite}/${test}`,
    program: `${suite}/${program}`,
    verdict: verdict!,
    splats: isOpen ? splats.slice(0, -1) : splats,
    isOpen,
  };
}

/** `suite/test → verdict` */
export function verdictsOf(all: Canary[]): Record<string, string> {
  return Object.fromEntries(all.map(({ name, verdict }) => [name, verdict]));
}

/** The result is the expected one. Repeated splats count once. */
export function assertExpected(t: ExecutionContext, results: Results, canary: Canary): void {
  const { verdict, splats, detail } = find(results, canary.name);
  const failing = splats.filter(({ notice }) => !notice);
  const titles = [...new Set(failing.map(({ kind, title }) => `${kind}: ${title}`))];
  const known = canary.isOpen ? titles.filter((title) => canary.splats.includes(title)) : titles;
  t.deepEqual([verdict, ...known.toSorted()], [canary.verdict, ...canary.splats.toSorted()], detail);
}
