// SPDX-License-Identifier: MIT
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Command } from 'commander';
import { paths } from '../paths.ts';
import { addBuildOptions, type JobOptions, readPlan } from './ask.ts';
import { placesOf } from './watch.ts';

async function places(...words: string[]): Promise<string[]> {
  const command = addBuildOptions(new Command()).exitOverride();
  command.parse(words, { from: 'user' });
  return placesOf((await readPlan([], command.opts<JobOptions>())).ask);
}

test('what is watched by default: the series, suites and fragments of the project', async (t) => {
  t.deepEqual(await places(), [paths.patches, paths.guestTests, paths.kernelConfig]);
});

test('a series by name, by path and as a range; a tree; tests', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-watch-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const box = join(dir, 'fix.mbox');
  await writeFile(box, '');
  const rest = [paths.guestTests, paths.kernelConfig];
  t.deepEqual(await places('--series', 'srvfs'), [join(paths.patches, 'srvfs'), ...rest]);
  t.deepEqual(await places('--series', box, '--with', 'ioapic-race'), [
    box,
    join(paths.patches, 'ioapic-race'),
    ...rest,
  ]);
  t.deepEqual(await places('--series', `git:${dir}#A..B`), rest);
  t.deepEqual(await places('--tree', dir), [dir, ...rest]);
  const suite = join(paths.guestTests, 'boot');
  t.deepEqual(await places('--no-series', '--tests', suite), [suite, paths.kernelConfig]);
  t.deepEqual(await places('--tree', dir, '--config', box), [dir, ...rest], 'none below another');
});
