// SPDX-License-Identifier: MIT
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Context } from '../context.ts';
import { asKilnError, KilnError } from '../errors.ts';
import { quietContext } from '../testing/context.ts';
import { exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import { sha256File } from '../util/hash.ts';
import { prepareBase } from './base.ts';

for (const [ending, option] of [
  ['tar.xz', '--xz'],
  ['tar.gz', '--gzip'],
  ['tar', '--format=gnu'],
] as const) {
  test(`an archive ${ending} becomes one commit with every file of it`, async (t) => {
    const dir = await scratch(t);
    const archive = await pack(dir, `linux-6.0.${ending}`, option);
    const { base, cached } = await prepareBase(`tar:${archive}`, context(dir));
    t.false(cached);
    t.is(base.version, `linux-6.0.${ending}`);
    t.is(base.sha256, await sha256File(archive));
    t.deepEqual(await tracked(base.gitDir, base.commit), [
      '.gitignore',
      'Makefile',
      'fs/a.c',
      'fs/ignored.o',
    ]);
    t.is((await git(base.gitDir, ['show', `${base.commit}:fs/a.c`])).stdout, 'int a;\r\nint b;');
    t.is((await git(base.gitDir, ['rev-list', '--count', base.commit])).stdout, '1');
  });
}

test('the same archive is imported once, and is the same commit in another cache', async (t) => {
  const dir = await scratch(t);
  const archive = await pack(dir, 'linux.tar.gz', '--gzip');
  const first = await prepareBase(`tar:${archive}`, context(dir));
  const again = await prepareBase(`tar:${archive}`, context(dir));
  const elsewhere = await prepareBase(`tar:${archive}`, context(join(dir, 'other')));
  t.true(again.cached);
  t.deepEqual(again.base, first.base);
  t.false(elsewhere.cached);
  t.is(elsewhere.base.commit, first.base.commit);
  t.not(elsewhere.base.gitDir, first.base.gitDir);
});

test('two runs at once import an archive once', async (t) => {
  const dir = await scratch(t);
  const archive = await pack(dir, 'linux.tar.gz', '--gzip');
  const both = await Promise.all([1, 2].map(() => prepareBase(`tar:${archive}`, context(dir))));
  t.deepEqual(both.map(({ cached }) => cached).sort(), [false, true]);
  t.deepEqual(both[0]!.base, both[1]!.base);
});

test('an archive that changed under its name is another base', async (t) => {
  const dir = await scratch(t);
  const archive = await pack(dir, 'linux.tar.gz', '--gzip');
  const before = await prepareBase(`tar:${archive}`, context(dir));
  await pack(dir, 'linux.tar.gz', '--gzip', { 'fs/new.c': 'int c;\n' });
  await utimes(archive, 1, 1);
  const after = await prepareBase(`tar:${archive}`, context(dir));
  t.false(after.cached);
  t.not(after.base.commit, before.base.commit);
});

test('a stated SHA-256 is checked, and nothing is kept if it is another', async (t) => {
  const dir = await scratch(t);
  const archive = await pack(dir, 'linux.tar.gz', '--gzip');
  const right = await sha256File(archive);
  const wrong = right.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
  await refused(t, `tar:${archive}#sha256=${wrong}`, dir, 'bad-input', new RegExp(`${right}, not ${wrong}`));
  await refused(t, `tar:${archive}#sha256=abc`, dir, 'usage', /"abc" is no SHA-256/);
  t.deepEqual(await kept(dir), []);
  const { base } = await prepareBase(`tar:${archive}#sha256=${right.toUpperCase()}`, context(dir));
  t.is(base.sha256, right);
});

test('what is no archive is refused and leaves nothing behind', async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, 'words.tar.xz'), 'these are words');
  const archive = await pack(dir, 'whole.tar.xz', '--xz', { 'fs/big.c': 'x'.repeat(100_000) });
  await writeFile(join(dir, 'cut.tar.xz'), (await readFile(archive)).subarray(0, 200));
  await refused(t, `tar:${join(dir, 'words.tar.xz')}`, dir, 'bad-input', /can't be unpacked/);
  await refused(t, `tar:${join(dir, 'cut.tar.xz')}`, dir, 'bad-input', /can't be unpacked/);
  await refused(t, `tar:${join(dir, 'absent.tar.xz')}`, dir, 'bad-input', /no file at/);
  t.deepEqual(await kept(dir), []);
});

test('a word that is no base is a mistake on the command line', async (t) => {
  const dir = await scratch(t);
  for (const source of ['linux-6.12', 'debian:', 'svn:x', ''])
    await refused(t, source, dir, 'usage', /is no base/);
  await refused(t, 'debian:bash', dir, 'usage', /names no kernel source package/);
  await refused(t, 'debian:linux-source-6.12;id', dir, 'usage', /names no kernel source package/);
});

test('a base in git borrows the repository and leaves it bit for bit as it was', async (t) => {
  const dir = await scratch(t);
  const repository = await makeRepository(dir);
  const before = await bytes(repository);
  const { base, cached } = await prepareBase(`git:${repository}#v1`, context(dir));
  t.true(cached);
  t.is(base.version, 'v1');
  t.is(base.sha256, null);
  t.is(base.commit, (await git(repository, ['rev-parse', 'v1^{commit}'])).stdout);
  t.is((await git(base.gitDir, ['show', `${base.commit}:file`])).stdout, 'one');
  t.false(base.gitDir.startsWith(repository));
  await git(base.gitDir, ['fsck', '--full']);
  await prepareBase(`git:${repository}`, context(dir));
  t.deepEqual(await bytes(repository), before);
});

test('a base whose objects are named by SHA-256 is refused, and the hint says what to give', async (t) => {
  const dir = await scratch(t);
  const repository = join(dir, 'sha256');
  await git(dir, ['init', '--quiet', '--template=', '--object-format=sha256', repository]);
  await git(repository, ['commit', '--quiet', '--allow-empty', '--message', 'one']);
  const error = await t.throwsAsync<KilnError>(prepareBase(`git:${repository}`, context(dir)));
  t.is(error.code, 'bad-input');
  t.is(error.message, `${repository} names its objects by SHA-256, which Kiln can't read`);
  t.regex(error.hint, /git archive/);
});

test.serial('a git that is not there is no fault of the repository', async (t) => {
  const dir = await scratch(t);
  const repository = await makeRepository(dir);
  const path = process.env.PATH;
  t.teardown(() => {
    process.env.PATH = path;
  });
  await symlink((await exec('which', ['setpriv'])).stdout, join(dir, 'setpriv'));
  process.env.PATH = dir;
  const error = await t.throwsAsync<KilnError>(prepareBase(`git:${repository}`, context(dir)));
  t.is(error.code, 'infrastructure');
  t.regex(error.message, /^git was not found/);
});

test('a base in git is named by tag, branch, commit, expression or nothing', async (t) => {
  const dir = await scratch(t);
  const repository = await makeRepository(dir);
  const commit = async (source: string) => (await prepareBase(source, context(dir))).base.commit;
  const head = (await git(repository, ['rev-parse', 'HEAD'])).stdout;
  t.is(await commit(`git:${repository}`), head);
  t.is(await commit(`git:${repository}#HEAD`), head);
  t.is(await commit(`git:${repository}#${head.slice(0, 12)}`), head);
  t.is(await commit(`git:${join(repository, '.git')}#main`), head);
  t.is(await commit(`git:${repository}#HEAD~1`), await commit(`git:${repository}#v1`));
});

test('a linked worktree of a repository is a base too', async (t) => {
  const dir = await scratch(t);
  const repository = await makeRepository(dir);
  await git(repository, ['worktree', 'add', '--quiet', '--detach', join(dir, 'linked'), 'v1']);
  const { base } = await prepareBase(`git:${join(dir, 'linked')}`, context(dir));
  t.is((await git(base.gitDir, ['show', `${base.commit}:file`])).stdout, 'one');
});

test('a commit or a repository that is not there is refused', async (t) => {
  const dir = await scratch(t);
  const repository = await makeRepository(dir);
  await refused(t, `git:${repository}#v9`, dir, 'bad-input', /no commit "v9" in the git repository at/);
  await refused(t, `git:${repository}#--all`, dir, 'bad-input', /no commit "--all"/);
  await refused(
    t,
    `git:${join(dir, 'absent')}#v1`,
    dir,
    'bad-input',
    /there is no git repository at .*absent/,
  );
});

test('an abort is an interruption and no fault of the archive or the repository', async (t) => {
  const dir = await scratch(t);
  const repository = await makeRepository(dir);
  const archive = await pack(dir, 'linux.tar.gz', '--gzip');
  const aborted = async (source: string, context_: Context) =>
    asKilnError(await t.throwsAsync(prepareBase(source, context_))).code;
  t.is(await aborted(`git:${repository}`, { ...context(dir), signal: AbortSignal.abort() }), 'interrupted');
  const controller = new AbortController();
  const abortOnUnpack = {
    ...context(dir),
    signal: controller.signal,
    progress: () => controller.abort(),
  };
  t.is(await aborted(`tar:${archive}`, abortOnUnpack), 'interrupted');
});

async function refused(
  t: ExecutionContext,
  source: string,
  dir: string,
  code: KilnError['code'],
  message: RegExp,
): Promise<void> {
  const error = await t.throwsAsync(prepareBase(source, context(dir)), { instanceOf: KilnError, message });
  t.is(error?.code, code, source);
}

function context(dir: string): Context {
  return quietContext(join(dir, 'cache'));
}

/** Everything that lies in the cache and is no lock. */
async function kept(dir: string): Promise<string[]> {
  const entries = await readdir(join(dir, 'cache'), { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('locks'))
    .map(({ name }) => name);
}

async function pack(
  dir: string,
  name: string,
  option: string,
  more: Record<string, string> = {},
): Promise<string> {
  const content = {
    Makefile: 'all:\n',
    '.gitignore': '*.o\n',
    'fs/a.c': 'int a;\r\nint b;\n',
    'fs/ignored.o': 'kept all the same',
    ...more,
  };
  const top = join(dir, 'top', 'linux-6.0');
  for (const [path, text] of Object.entries(content)) {
    await mkdir(dirname(join(top, path)), { recursive: true });
    await writeFile(join(top, path), text);
  }
  const archive = join(dir, name);
  await exec('tar', ['--create', option, '--file', archive, '--directory', dirname(top), 'linux-6.0']);
  return archive;
}

/** Two commits, the first of them with a tag. Each test has a copy. */
let original: string;
test.before(async () => {
  original = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  await git(original, ['init', '--quiet', '--template=', '--initial-branch=main']);
  for (const word of ['one', 'two']) {
    await writeFile(join(original, 'file'), `${word}\n`);
    await git(original, ['add', '.']);
    await git(original, ['commit', '--quiet', '--message', word]);
    if (word === 'one') await git(original, ['tag', '--annotate', '--message', 'first', 'v1']);
  }
});
test.after.always(() => rm(original, { recursive: true, force: true }));

async function makeRepository(dir: string): Promise<string> {
  const repository = join(dir, 'user', 'linux');
  await cp(original, repository, { recursive: true });
  return repository;
}

async function tracked(gitDir: string, commit: string): Promise<string[]> {
  return (await git(gitDir, ['ls-tree', '-r', '--name-only', commit])).stdout.split('\n');
}

async function bytes(dir: string): Promise<Record<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const found = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(found.sort().map(async (path) => [path, await readFile(path, 'hex')] as const)),
  );
}

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
