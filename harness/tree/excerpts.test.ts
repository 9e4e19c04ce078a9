// SPDX-License-Identifier: MIT
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { scratchDirectory } from '../util/scratch.ts';
import { readExcerpts } from './excerpts.ts';

test('lines come from the commit; a file that it lacks has none', async (t) => {
  await using scratch = await scratchDirectory(tmpdir());
  const git = (...args: string[]) =>
    execFileSync(
      'git',
      ['-C', scratch.path, '-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args],
      {
        encoding: 'utf8',
      },
    ).trim();
  git('init', '--quiet');
  await writeFile(join(scratch.path, 'a.c'), 'one\ntwo\nthree\n');
  git('add', '.');
  git('commit', '--quiet', '--message=x');
  await writeFile(join(scratch.path, 'a.c'), 'changed\n');
  const tree = { gitDir: join(scratch.path, '.git'), commit: git('rev-parse', 'HEAD') };
  const places = [
    { file: 'a.c', line: 2 },
    { file: 'a.c', line: 99 },
    { file: 'generated.h', line: 1 },
  ];
  const excerpts = await readExcerpts(tree, places, { signal: new AbortController().signal });
  t.deepEqual([...excerpts], [['a.c:2', { first: 1, lines: ['one', 'two', 'three'] }]]);
});
