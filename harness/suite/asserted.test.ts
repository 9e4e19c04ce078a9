// SPDX-License-Identifier: MIT
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { CaseResult } from '../schema.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { addAsserted } from './asserted.ts';

async function assertedOf(more: Partial<CaseResult>): Promise<CaseResult['asserted']> {
  await using scratch = await scratchDirectory(tmpdir());
  await writeFile(
    join(scratch.path, 'races.c'),
    Array.from({ length: 30 }, (_, index) => `line ${index + 1}\n`).join(''),
  );
  const item: CaseResult = { name: 'global.x', verdict: 'fail', detail: '', ...more };
  await addAsserted([item], join(scratch.path));
  return item.asserted;
}

const detail = 'races.c:9:x:Expected 0 (0) == ret (-1)\nraces.c:20:x:Expected 1 (1) == n (2)\nx: Test failed';

test('a failed case has the lines of its assertions', async (t) => {
  const asserted = await assertedOf({ detail });
  t.deepEqual(
    asserted?.map(({ file, line, source }) => [file, line, source.first, source.lines.at(3)]),
    [
      ['races.c', 9, 6, 'line 9'],
      ['races.c', 20, 17, 'line 20'],
    ],
  );
});

test('a passing case has none, though it names lines', async (t) => {
  t.is(await assertedOf({ detail, verdict: 'pass' }), undefined);
});

test('a guest can name no file outside of its suite', async (t) => {
  for (const path of ['../../../etc/hosts.c', '/etc/x.c', 'other.c'])
    t.is(await assertedOf({ detail: `${path}:1:x:Expected` }), undefined, path);
});

test('a line that the file does not have is no place', async (t) => {
  t.is(await assertedOf({ detail: 'races.c:999:x:Expected' }), undefined);
});
