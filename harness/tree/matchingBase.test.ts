// SPDX-License-Identifier: MIT
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { quietContext } from '../testing/context.ts';
import { git } from '../util/git.ts';
import { findMatchingCommit, preimagesOf } from './matchingBase.ts';

/** `a` and `b` change in turns on main; side leaves at `a2`; main merges it, and `a` changes once more. */
let dir: string;
const commits = new Map<string, string>();
const run = async (...args: string[]) => (await git(dir, args)).stdout;
async function commit(name: string, files: Record<string, string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) await writeFile(join(dir, path), content);
  await run('add', '--all');
  const when = `${1_700_000_000 + commits.size * 60} +0000`;
  await git(dir, ['commit', '--quiet', '--message', name], {
    env: { GIT_COMMITTER_DATE: when, GIT_AUTHOR_DATE: when },
  });
  commits.set(name, await run('rev-parse', 'HEAD'));
}
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  await run('init', '--quiet', '--template=', '--initial-branch=main');
  await commit('a1 b1', { a: 'a1\n', b: 'b1\n' });
  await commit('a2', { a: 'a2\n' });
  await run('checkout', '--quiet', '-b', 'side');
  await commit('b of side', { b: 'side\n' });
  await run('checkout', '--quiet', 'main');
  await commit('c1', { c: 'c1\n' });
  await commit('b2', { b: 'b2\n' });
  await commit('a1 again', { a: 'a1\n' });
  await commit('c2', { c: 'c2\n' });
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

const found = async (diffs: string[]) => {
  const commit = await findMatchingCommit(dir, preimagesOf(diffs), quietContext(dir));
  return [...commits].find(([, one]) => one === commit)?.[0] ?? commit;
};
/** A patch that changes files as they are at a commit. */
async function diffOf(at: string, ...files: string[]): Promise<string> {
  const parts = files.map(async (file) => {
    const blob = (await run('rev-parse', `${commits.get(at)!}:${file}`)).slice(0, 12);
    return `diff --git a/${file} b/${file}\nindex ${blob}..123456789abc 100644\n--- a/${file}\n+++ b/${file}\n`;
  });
  return (await Promise.all(parts)).join('');
}

test('the newest commit that has all blobs, at its tip or before one is taken away', async (t) => {
  t.is(await found([await diffOf('a1 b1', 'a')]), 'c2');
  t.is(await found([await diffOf('a1 b1', 'a', 'b')]), 'a1 b1');
  t.is(await found([await diffOf('a2', 'a', 'b')]), 'c1');
  t.is(await found([await diffOf('b of side', 'a', 'b')]), 'b of side');
  t.is(await found([await diffOf('b2', 'a', 'b')]), 'b2');
});

test('no commit has blobs that never met, or that nobody has', async (t) => {
  t.is(await found([(await diffOf('b of side', 'b')) + (await diffOf('c2', 'c'))]), null);
  const strange = 'diff --git a/a b/a\nindex 0123456789ab..123456789abc 100644\n--- a/a\n+++ b/a\n';
  t.is(await found([strange]), null);
  t.is(
    await found([
      'diff --git a/n b/n\nnew file mode 100644\nindex 0000000..1234567\n--- /dev/null\n+++ b/n\n',
    ]),
    null,
  );
});

test('a blob at another path is no match', async (t) => {
  const moved = (await diffOf('a1 b1', 'a')).replaceAll('/a', '/c');
  t.is(await found([moved]), null);
});

test('only the first patch to touch a file says how the series found it', (t) => {
  const patch = (file: string, from: string, to: string) =>
    `diff --git a/${file} b/${file}\nindex ${from}..${to} 100644\n--- a/${file}\n+++ b/${file}\n`;
  t.deepEqual(
    preimagesOf([
      patch('x', '1111111', '2222222') +
        'diff --git a/n b/n\nnew file mode 100644\nindex 0000000..3333333\n--- /dev/null\n+++ b/n\n',
      patch('x', '2222222', '4444444') + patch('n', '3333333', '5555555'),
      'diff --git a/old b/new\nsimilarity index 90%\nrename from old\nrename to new\nindex 6666666..7777777 100644\n--- a/old\n+++ b/new\n',
      patch('new', '7777777', '8888888'),
      'diff --git a/logo b/logo\nindex 9999999..aaaaaaa 100644\nGIT binary patch\n',
    ]),
    new Map([
      ['x', '1111111'],
      ['old', '6666666'],
      ['logo', '9999999'],
    ]),
  );
});
