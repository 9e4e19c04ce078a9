// SPDX-License-Identifier: MIT
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ExecutionContext } from 'ava';

const fixturesDirectory = path.join(import.meta.dirname, '..', 'fixtures');

/** A golden input of the tests: its name without the ending, and its bytes. */
export type Golden = {
  name: string;
  input: Buffer;
};

/** All inputs in `harness/fixtures/FOLDER` with this ending, by name. */
export function goldens(folder: string, ending: string): Golden[] {
  return readdirSync(path.join(fixturesDirectory, folder))
    .filter((file) => file.endsWith(ending))
    .sort()
    .map((file) => ({
      name: file.slice(0, -ending.length),
      input: readFileSync(path.join(fixturesDirectory, folder, file)),
    }));
}

/**
 * Compares with `harness/fixtures/FOLDER/NAME.json`. KILN_UPDATE_GOLDEN=1 writes that file instead: then read
 * the difference, for what is written is what the code does, not what it should do.
 */
export function matchesGolden(t: ExecutionContext, folder: string, name: string, actual: unknown): void {
  const file = path.join(fixturesDirectory, folder, `${name}.json`);
  if (process.env.KILN_UPDATE_GOLDEN === '1') {
    writeFileSync(file, `${JSON.stringify(actual, null, 2)}\n`);
    t.pass();
    return;
  }
  if (!existsSync(file)) {
    t.fail(`${path.basename(file)} is missing: write it by hand, or with KILN_UPDATE_GOLDEN=1 and read it`);
    return;
  }
  t.deepEqual(JSON.parse(JSON.stringify(actual)), JSON.parse(readFileSync(file, 'utf8')));
}
