// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { git, ignoredBy } from './git.ts';

test("git ignores the user's configuration and the repository's hooks", async (t) => {
  const dir = await repository(t);
  await mkdir(join(dir, 'home', 'git'), { recursive: true });
  await writeFile(join(dir, 'home', 'git', 'attributes'), '* text=auto\n');
  const config = '[user]\n\tname = Somebody\n[commit]\n\tgpgSign = true\n[core]\n\tautocrlf = true\n';
  await writeFile(join(dir, 'home', '.gitconfig'), config);
  await writeFile(join(dir, '.git', 'hooks', 'pre-commit'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const env = { HOME: join(dir, 'home'), XDG_CONFIG_HOME: join(dir, 'home') };
  await writeFile(join(dir, 'file'), 'a\r\n');
  await git(dir, ['add', 'file'], { env });
  await git(dir, ['commit', '--quiet', '--message', 'x'], { env });
  t.is((await git(dir, ['log', '-1', '--format=%an <%ae> %cn'])).stdout, 'kiln <kiln@localhost> kiln');
  t.is((await git(dir, ['cat-file', '-s', 'HEAD:file'])).stdout, '3');
});

test('the same content and dates give the same commit in any repository', async (t) => {
  const commits: string[] = [];
  for (let round = 0; round < 2; round++) {
    const dir = await repository(t);
    await writeFile(join(dir, 'file'), 'a\n');
    await git(dir, ['add', 'file']);
    const env = { GIT_AUTHOR_DATE: '@0 +0000', GIT_COMMITTER_DATE: '@0 +0000' };
    await git(dir, ['commit', '--quiet', '--message', 'x'], { env });
    commits.push((await git(dir, ['rev-parse', 'HEAD'])).stdout);
  }
  t.is(commits[0], commits[1]);
});

test('which files a repository ignores', async (t) => {
  const dir = await repository(t);
  await writeFile(join(dir, '.gitignore'), '*.o\n/out/\n');
  const paths = ['a.c', 'a.o', 'out/b.c', 'ü.o'].map((name) => join(dir, name));
  t.deepEqual(await ignoredBy(dir, paths), new Set(paths.slice(1)));
  t.deepEqual(await ignoredBy(dir, [join(dir, 'a.c')]), new Set());
  t.deepEqual(await ignoredBy(tmpdir(), [join(tmpdir(), 'a.o')]), new Set(), 'no repository');
});

test('a message that git would open an editor for does not wait for one', async (t) => {
  const dir = await repository(t);
  await t.throwsAsync(git(dir, ['commit', '--allow-empty'], { timeout: 20_000 }), { message: /exit code 1/ });
});

test.serial('Kiln called from a git hook works on its own repositories', async (t) => {
  const [own, hooked] = [await scratch(t), await repository(t)];
  process.env.GIT_DIR = join(hooked, '.git');
  process.env.GIT_INDEX_FILE = join(hooked, '.git', 'index');
  t.teardown(() => {
    delete process.env.GIT_DIR;
    delete process.env.GIT_INDEX_FILE;
  });
  await git(own, ['init', '--quiet']);
  await writeFile(join(own, 'file'), '');
  await git(own, ['add', 'file']);
  t.true((await readdir(own)).includes('.git'));
  t.is((await git(own, ['ls-files'])).stdout, 'file');
});

async function repository(t: ExecutionContext): Promise<string> {
  const dir = await scratch(t);
  await git(dir, ['init', '--quiet']);
  await mkdir(join(dir, '.git', 'hooks'), { recursive: true });
  return dir;
}

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
