// SPDX-License-Identifier: MIT
import { mkdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { exec, isExit } from '../util/exec.ts';
import { makeDirectory, readCachedJson, writeAtomic } from '../util/files.ts';
import { git, objectDirectory } from '../util/git.ts';
import { contentKey } from '../util/hash.ts';
import { lock } from '../util/lock.ts';
import type { Archive } from './archive.ts';
import { ensureBorrower } from './borrower.ts';
import { takeSnapshot } from './checkout.ts';
import { fetchDebian } from './debian.ts';
import { fetchTar } from './tarball.ts';

/** An unpatched kernel source, stored in the cache as a git repository. */
export type Base = {
  /** As the user named it. */
  source: string;
  /** Debian's version, a tar file's name, or the ref. */
  version: string;
  /** Of the archive, in hex; null for git, where `commit` is enough. */
  sha256: string | null;
  commit: string;
  /** The bare repository. */
  gitDir: string;
};

const forms = 'debian:PACKAGE[=VERSION][@SUITE], tar:FILE-or-URL[#sha256=HEX], git:DIR#REF, tree:DIR';

/** Find a base in the cache, or fetch it. An archive is fetched once; docs/design.md says what renews it. */
export async function prepareBase(
  source: string,
  context: Context,
): Promise<{ base: Base; cached: boolean }> {
  const [kind, rest] = split(source);
  if (kind === 'tree')
    return { base: { source, sha256: null, ...(await takeSnapshot(rest, context)) }, cached: true };
  if (kind === 'git') return { base: await borrow(source, rest, context), cached: true };
  const id = await identity(kind, rest, source);
  const dir = join(context.cache, 'bases', id);
  const found = await findBase(dir);
  if (found) return { base: found, cached: true };
  await using _lock = await lock(join(context.cache, 'locks', `base-${id}`), {
    signal: context.signal,
    onWait: () => context.note('info', 'another run is fetching the same base: waiting for it'),
  });
  const meanwhile = await findBase(dir);
  if (meanwhile) return { base: meanwhile, cached: true };
  const archive = kind === 'debian' ? await fetchDebian(rest, context) : await fetchTar(rest, context);
  try {
    await makeDirectory(dir, (temporary) => importArchive(source, archive, temporary, context));
  } finally {
    await archive.release();
  }
  return { base: (await findBase(dir))!, cached: false };
}

/** base.json has no absolute path, so that the cache can be moved. */
async function findBase(dir: string): Promise<Base | undefined> {
  const found = await readCachedJson<Partial<Base>>(join(dir, 'base.json'));
  return found?.commit ? ({ ...found, gitDir: join(dir, 'repo.git') } as Base) : undefined;
}

function split(source: string): ['debian' | 'tar' | 'git' | 'tree', string] {
  const match = /^(debian|tar|git|tree):(.+)$/.exec(source);
  if (!match)
    throw new KilnError('usage', `"${source}" is no base`, {
      hint: `a base is one of ${forms}; a commit of your own repository is git:DIR#${source === '' ? 'REF' : source}`,
    });
  return [match[1] as 'debian' | 'tar' | 'git' | 'tree', match[2]!];
}

/** The base's name in the cache. Size and time are part of it: a local archive may change under its name. */
async function identity(kind: 'debian' | 'tar', rest: string, source: string): Promise<string> {
  const file = rest.replace(/#sha256=.*$/, '');
  if (kind === 'debian' || /^https?:/.test(file)) return contentKey('base', source);
  const info = await stat(resolve(file)).catch(() => undefined);
  return contentKey('base', source, resolve(file), `${info?.size} ${info?.mtimeMs}`);
}

/** Import the archive as one commit. Author and date are fixed, so that it is the same commit on every machine. */
async function importArchive(source: string, archive: Archive, temporary: string, context: Context) {
  const worktree = join(temporary, 'source');
  const gitDir = join(temporary, 'repo.git');
  await mkdir(worktree);
  await git(temporary, ['init', '--quiet', '--bare', gitDir], { signal: context.signal });
  context.progress(`unpacking ${archive.version}`);
  await unpack(archive.tar, worktree, context);
  context.progress(`importing ${archive.version} into git`);
  const env = {
    GIT_DIR: gitDir,
    GIT_WORK_TREE: worktree,
    GIT_AUTHOR_DATE: '@0 +0000',
    GIT_COMMITTER_DATE: '@0 +0000',
  };
  await git(worktree, ['add', '--all', '--force', '.'], { env, signal: context.signal });
  await git(worktree, ['commit', '--quiet', '--message', archive.version], { env, signal: context.signal });
  const commit = (await git(worktree, ['rev-parse', 'HEAD'], { env })).stdout.trim();
  await git(worktree, ['update-ref', 'refs/kiln/base', commit], { env });
  await rm(worktree, { recursive: true, force: true });
  const base: Omit<Base, 'gitDir'> = { source, version: archive.version, sha256: archive.sha256, commit };
  await writeAtomic(join(temporary, 'base.json'), JSON.stringify(base));
}

async function unpack(tar: string, dir: string, context: Context): Promise<void> {
  // GNU tar detects the compression. A kernel archive has one top directory.
  await exec(
    'tar',
    ['--extract', '--file', tar, '--directory', dir, '--strip-components=1', '--no-same-owner'],
    {
      signal: context.signal,
    },
  ).catch((cause) => {
    context.signal.throwIfAborted();
    throw new KilnError('bad-input', `${tar} can't be unpacked`, {
      cause,
      hint: 'is it a kernel source archive?',
    });
  });
}

/** Create a repository that borrows the objects of the user's (alternates). The user's repository is only read. */
async function borrow(source: string, rest: string, context: Context): Promise<Base> {
  const hash = rest.lastIndexOf('#');
  const directory = resolve(hash < 0 ? rest : rest.slice(0, hash));
  const ref = hash < 0 ? 'HEAD' : rest.slice(hash + 1);
  const wrong = (cause: unknown) => {
    context.signal.throwIfAborted();
    // Not git's own exit code: git is not there, or was killed.
    if (!isExit(cause, 128)) return cause;
    if (/not a git repository|cannot change to/.test(String((cause as KilnError).details.output)))
      return new KilnError('bad-input', `there is no git repository at ${directory}`, { cause, hint: forms });
    return new KilnError('bad-input', `no commit "${ref}" in the git repository at ${directory}`, {
      cause,
      hint: 'name a commit, a branch or a tag that `git log` shows there; fetch it first if it is not there yet',
    });
  };
  const ask = (args: string[]) => git(directory, args, { signal: context.signal });
  const commit = (
    await ask(['rev-parse', '--verify', '--end-of-options', `${ref}^{commit}`]).catch((cause) => {
      throw wrong(cause);
    })
  ).stdout.trim();
  if (commit.length !== 40)
    throw new KilnError('bad-input', `${directory} names its objects by SHA-256, which Kiln can't read`, {
      hint: 'give the source as an archive: git archive --prefix=linux/ -o linux.tar REF, and tar:linux.tar',
    });
  const objects = await objectDirectory(directory, context.signal);
  const gitDir = join(context.cache, 'bases', `git-${contentKey(objects)}`, 'repo.git');
  await using _lock = await lock(join(context.cache, 'locks', `base-${contentKey(objects)}`), {
    signal: context.signal,
  });
  await ensureBorrower(gitDir, objects, context);
  await git(gitDir, ['update-ref', `refs/kiln/bases/${commit}`, commit], { signal: context.signal });
  return { source, version: ref, sha256: null, commit, gitDir };
}
