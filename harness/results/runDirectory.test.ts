// SPDX-License-Identifier: MIT
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { KilnError } from '../errors.ts';
import { exampleResults } from '../testing/example.ts';
import { exists } from '../util/files.ts';
import { createRunDirectory, loadResults } from './runDirectory.ts';

test('runs are no changes of the repository in which Kiln is called, and no file of a directory that was there', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-runs-'));
  t.teardown(() => rm(dir, { recursive: true }));
  execFileSync('git', ['init', '--quiet', dir]);
  for (let run = 0; run < 2; run++) await createRunDirectory(join(dir, 'runs'));
  t.is(execFileSync('git', ['-C', dir, 'status', '--porcelain'], { encoding: 'utf8' }), '');
  await createRunDirectory(dir);
  t.false(await exists(join(dir, '.gitignore')));
});

const whole = JSON.stringify(exampleResults());

for (const [what, content, wanted] of [
  ['torn', whole.slice(0, 500), /results\.json is not JSON/],
  [
    'of a newer version',
    whole.replace('"schema":1', '"schema":2'),
    /schema version 2; this Kiln reads version 1 only/,
  ],
  ['with a field of another type', whole.replace('"exit_code":0', '"exit_code":"0"'), /exit_code/],
  ['empty', '', /not JSON/],
] as const)
  test(`results.json that is ${what} is refused with a reason`, async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'kiln-runs-'));
    t.teardown(() => rm(dir, { recursive: true }));
    await writeFile(join(dir, 'results.json'), content);
    const error = await t.throwsAsync<KilnError>(loadResults(dir, dir));
    t.is(error!.code, 'bad-input');
    t.regex(error!.message, wanted);
  });

test('results.json of 1 GB is refused before it is read', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-runs-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const path = join(dir, 'results.json');
  await writeFile(path, whole);
  await truncate(path, 2 ** 30);
  const error = await t.throwsAsync<KilnError>(loadResults(dir, dir));
  t.is(error!.code, 'bad-input');
  t.regex(error!.message, /has 1074 MB; Kiln reads at most 268 MB/);
});
