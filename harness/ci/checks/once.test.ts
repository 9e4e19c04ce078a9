// SPDX-License-Identifier: MIT
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { CheckResult } from '../../schema.ts';
import { once } from './once.ts';

test('what was found is found once; a check that could not be made is made again', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  let calls = 0;
  const check = (status: CheckResult['status'], record: string) =>
    once(join(dir, `${record}.json`), async () => {
      const summary = `call ${++calls}`;
      return [
        { name: 'size' as const, status: 'pass' as const, summary, findings: [] },
        { name: 'checkpatch' as const, status, summary, findings: [] },
      ];
    });
  const first = await check('warn', 'made');
  t.deepEqual(await check('warn', 'made'), { value: first.value, cached: true });
  t.is(calls, 1);
  t.false((await check('skip', 'not-made')).cached);
  const again = await check('pass', 'not-made');
  t.deepEqual([again.cached, calls], [false, 3]);
  t.true((await check('pass', 'not-made')).cached);
});
