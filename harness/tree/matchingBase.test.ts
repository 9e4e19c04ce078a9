// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { quietContext } from '../testing/context.ts';
import { git } from '../util/git.ts';
import { findMatchingCommit } from './matchingBase.ts';
import type { Preimages } from './preimages.ts';

/** `a` and `b` change in turns on main; side leaves at `a2` and is merged; then `a` changes back and `n` is added. */
let dir: string;
const commits = new Map<string, string>();
const run = async (...args: string[]) => (await git(dir, args)).stdout;
async function commit(name: string, files: Record<string, string>): Promise<void> {
  await mkdir(join(dir, ':'), { recursive: true });
  for (const [path, content] of Object.entries(files)) await writeFile(join(dir, path), content);
  await run('add', '--all');
  await at(['commit', '--quiet', '--message', name]);
  commits.set(name, await run('rev-parse', 'HEAD'));
}
/** Each a minute after the one before. */
async function at(args: string[]): Promise<void> {
  const when = `${1_700_000_000 + commits.size * 60} +0000`;
  await git(dir, args, { env: { GIT_COMMITTER_DATE: when, GIT_AUTHOR_DATE: when } });
}
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  await run('init', '--quiet', '--template=', '--initial-branch=main');
  await commit('a1 b1', { a: 'a1\n', b: 'b1\n', ':/wx': 'w1\n', wx: 'w2\n' });
  await commit('a2', { a: 'a2\n' });
  await run('checkout', '--quiet', '-b', 'side');
  await commit('b of side', { b: 'side\n' });
  await run('checkout', '--quiet', 'main');
  await commit('c1', { c: 'c1\n' });
  await commit('b2', { b: 'b2\n' });
  await at(['merge', '--quiet', '--strategy=ours', '--message=merge', 'side']);
  commits.set('merge', await run('rev-parse', 'HEAD'));
  await run('branch', '--quiet', '--delete', 'side');
  await commit('a1 again', { a: 'a1\n' });
  await commit('c2', { c: 'c2\n', n: 'n\n' });
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

async function found(preimages: Preimages, repository = dir): Promise<string | undefined> {
  const { commit: hash, why } = await findMatchingCommit(repository, preimages, quietContext(dir));
  return why?.replace(repository, 'DIR') ?? [...commits].find(([, one]) => one === hash)?.[0];
}
/** What a series has found that changed files as they were at a commit. */
async function stateAt(at: string, ...files: string[]): Promise<Preimages> {
  const blobs = files.map(
    async (file): Promise<[string, string]> => [
      file,
      (await run('rev-parse', `${commits.get(at)!}:${file}`)).slice(0, 12),
    ],
  );
  return new Map(await Promise.all(blobs));
}

test('the newest commit that has all blobs, at a tip or before one is taken away', async (t) => {
  t.is(await found(await stateAt('a1 b1', 'a')), 'c2');
  t.is(await found(await stateAt('a1 b1', 'a', 'b')), 'a1 b1');
  t.is(await found(await stateAt('c1', 'a', 'b', 'c')), 'c1');
  t.is(await found(await stateAt('b2', 'a', 'b')), 'merge');
});

test('a commit that only a merge took away', async (t) => {
  t.is(await found(await stateAt('b of side', 'a', 'b')), 'b of side');
});

test('a file that the series adds must not be there', async (t) => {
  const before = new Map<string, string | null>(await stateAt('a1 again', 'a', 'b'));
  t.is(await found(before), 'c2');
  t.is(await found(before.set('n', null)), 'a1 again');
  t.is(await found(before.set('c', null)), 'no commit in DIR has the blobs of all 2 files');
});

test('a file whose content does not matter must be there', async (t) => {
  const state = new Map<string, string | null>(await stateAt('a1 b1', 'a'));
  t.is(await found(state.set('c', '')), 'c2');
  t.is(await found(state.set('never', '')), 'no commit in DIR has the blobs of all 3 files');
});

test('no commit has blobs that never met', async (t) => {
  const state = new Map([...(await stateAt('b of side', 'b')), ...(await stateAt('c2', 'c'))]);
  t.is(await found(state), 'no commit in DIR has the blobs of all 2 files');
});

test('a blob at another path is no match, and a path is no pattern', async (t) => {
  const [blob] = (await stateAt('a1 b1', 'a')).values();
  t.is(await found(new Map([['c', blob!]])), 'no commit in DIR has the blob of the file');
  t.is(await found(await stateAt('a1 b1', ':/wx')), 'c2');
});

test('a blob that the repository does not have is named', async (t) => {
  const state = new Map([...(await stateAt('c2', 'a')), ['b', '0123456789ab']] as const);
  t.is(await found(state), 'DIR does not have the blob 0123456789ab of b');
});

test('a series that only adds files has no blobs to find', async (t) => {
  t.is(await found(new Map([['never', null]])), 'the series changes no file that was there before');
});

test('an abbreviation that several objects share is no obstacle', async (t) => {
  const blob = (await run('rev-parse', 'HEAD:wx')).slice(0, 4);
  const like = await findBlobLike(blob);
  await run('update-ref', 'refs/tags/blob', like);
  t.is(await found(new Map([['wx', blob]])), 'c2');
});

/** Another blob whose hash begins in the same way. */
async function findBlobLike(prefix: string): Promise<string> {
  const { createHash } = await import('node:crypto');
  for (let number = 0; ; number++) {
    const content = `${number}\n`;
    const hash = createHash('sha1').update(`blob ${content.length}\0${content}`).digest('hex');
    if (!hash.startsWith(prefix)) continue;
    return (await git(dir, ['hash-object', '-w', '--stdin'], { input: content })).stdout;
  }
}

test('what is stashed is no base, the newest commit of any branch is one', async (t) => {
  const clone = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(clone, { recursive: true, force: true }));
  await git(clone, ['clone', '--quiet', dir, '.']);
  await git(clone, ['update-ref', 'refs/stash', commits.get('c2')!]);
  await git(clone, ['checkout', '--quiet', '--detach', commits.get('a2')!]);
  for (const ref of [
    'refs/heads/main',
    'refs/remotes/origin/main',
    'refs/remotes/origin/HEAD',
    'refs/tags/blob',
  ])
    await git(clone, ['update-ref', '--no-deref', '-d', ref]);
  t.is(await found(await stateAt('a1 b1', 'a'), clone), 'a1 b1');
  await git(clone, ['branch', 'topic', commits.get('a1 again')!]);
  t.is(await found(await stateAt('a1 b1', 'a'), clone), 'a1 again');
});
