// SPDX-License-Identifier: MIT
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { exists } from '../util/files.ts';
import { createRunDirectory } from './runDirectory.ts';

test('runs are no changes of the repository in which Kiln is called, and no file of a directory that was there', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-runs-'));
  t.teardown(() => rm(dir, { recursive: true }));
  execFileSync('git', ['init', '--quiet', dir]);
  for (let run = 0; run < 2; run++) await createRunDirectory(join(dir, 'runs'));
  t.is(execFileSync('git', ['-C', dir, 'status', '--porcelain'], { encoding: 'utf8' }), '');
  await createRunDirectory(dir);
  t.false(await exists(join(dir, '.gitignore')));
});
