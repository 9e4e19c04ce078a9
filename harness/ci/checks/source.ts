// SPDX-License-Identifier: MIT
// What the kernel’s own scripts read of a tree, checked out: one file of twelve.
import { join } from 'node:path';
import type { Context } from '../../context.ts';
import { checkOut, type Repository, scratchRepository, setHead } from '../../tree/repository.ts';
import type { AppliedPatch, Tree } from '../../tree/tree.ts';
import { git } from '../../util/git.ts';
import { scratchDirectory } from '../../util/scratch.ts';

/** A sparse work tree that shows one commit of a series at a time, for the scripts in it. */
export type Source = AsyncDisposable & {
  /** The repository that has the commits. */
  gitDir: string;
  /** The work tree; it has no .git. */
  directory: string;
  /**
   * Make the work tree that of a commit, or of its parent (`COMMIT^`), but with the scripts before the first patch. Git
   * writes only the files that differ.
   */
  show: (commit: string) => Promise<void>;
};

/**
 * Check out the state before the first patch. The work tree is removed when disposed.
 * @param patches what is to be checked, at least one, in order
 */
export async function openSource(
  { gitDir, patches }: Pick<Tree, 'gitDir' | 'patches'>,
  context: Context,
): Promise<Source> {
  const { signal } = context;
  await using undo = new AsyncDisposableStack();
  const scratch = undo.use(await scratchDirectory(join(context.cache, 'scratch')));
  const resolve = async (name: string) =>
    (await git(gitDir, ['rev-parse', '--verify', `${name}^{commit}`], { signal })).stdout;
  const parent = await resolve(`${patches[0]!.commit}^`);
  const patterns = [...always, ...(await bindings(gitDir, patches, context)), ...touched(patches)];
  context.progress('checking out what the scripts of the kernel read');
  const repository = await scratchRepository({ gitDir, commit: parent }, scratch.path, context, patterns);
  let shown = '';
  const show = async (name: string) => {
    const commit = await resolve(name);
    if (commit === shown) return;
    const isOwn = patches.every(({ files }) => !files.some(isTool));
    await setHead(repository, isOwn ? commit : await withTools(repository, commit, parent));
    await checkOut(repository);
    shown = commit;
  };
  await show(parent);
  const rest = undo.move();
  const { directory } = repository;
  return { gitDir, directory, show, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

/**
 * checkpatch.pl takes a directory for a kernel tree if it has some files and directories; it reads include/ for the
 * names in CamelCase that are in use. kernel-doc has modules below tools/ in Linux 7.3.
 */
const always = [
  ...['/*', '!/*/', '/*/Kconfig', '/*/Makefile'],
  ...['/include/', '/scripts/', '/tools/docs/', '/tools/lib/python/'],
];

/** What the checks run, and what that reads for settings. A series is not to be judged by what it brings itself. */
const tools = [
  ...['checkpatch.pl', 'spelling.txt', 'const_structs.checkpatch'].map((name) => `scripts/${name}`),
  ...['kernel-doc', 'kernel-doc.py', 'kernel-doc.pl', 'lib/kdoc', 'bloat-o-meter', 'spdxcheck.py'].map(
    (name) => `scripts/${name}`,
  ),
  ...['.checkpatch.conf', '.scripts', '.codespellrc', 'tools/docs', 'tools/lib/python'],
];

function isTool(file: string): boolean {
  return tools.some((tool) => `${file}/`.startsWith(`${tool}/`) || `${tool}/`.startsWith(`${file}/`));
}

/** @returns a commit with the tree of `commit`, but with the tools of `base` */
async function withTools(repository: Repository, commit: string, base: string): Promise<string> {
  const own = { env: { GIT_INDEX_FILE: join(repository.gitDir, 'index.tools') } };
  const list = async (name: string) =>
    (await repository.git(['ls-tree', '-r', '-z', name, '--', ...tools])).stdout.split('\0').filter(Boolean);
  const [theirs, ours] = [await list(commit), await list(base)];
  const gone = theirs.map((line) => `0 ${'0'.repeat(40)}${line.slice(line.indexOf('\t'))}`);
  await repository.git(['read-tree', commit], own);
  const input = [...gone, ...ours].map((line) => `${line}\0`).join('');
  await repository.git(['update-index', '--add', '--replace', '-z', '--index-info'], { ...own, input });
  const { stdout: tree } = await repository.git(['write-tree'], own);
  return (await repository.git(['commit-tree', '-m', 'for the checks', tree])).stdout;
}

/** checkpatch.pl looks up names of devices in some thousand files, if a patch adds one. */
async function bindings(gitDir: string, patches: AppliedPatch[], { signal }: Context): Promise<string[]> {
  const range = `${patches[0]!.commit}^..${patches.at(-1)!.commit}`;
  const found = await git(gitDir, ['log', '-1', '--format=%H', '-Gcompatible *= *"', range], { signal });
  return found.stdout === '' ? [] : ['/Documentation/devicetree/bindings/'];
}

function touched(patches: AppliedPatch[]): string[] {
  const files = new Set(patches.flatMap((patch) => patch.files));
  return [...files].map((file) => `/${file.replace(/[\\*?[\] ]/g, '\\$&')}`);
}
