// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { quietContext } from '../../testing/context.ts';
import type { AppliedPatch } from '../../tree/tree.ts';
import { git } from '../../util/git.ts';
import { openSource } from './source.ts';

const unpatched = [
  ...['MAINTAINERS', 'arch/Kconfig', 'drivers/other.c', 'fs/a.c', 'include/linux/a.h'],
  'scripts/checkpatch.pl',
];
const binding = 'Documentation/devicetree/bindings/a.yaml';

/** A repository with a tree, and a patch for each set of files. */
async function apply(t: ExecutionContext, patches: Record<string, string>[]) {
  const home = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(home, { recursive: true, force: true }));
  const commit = async (files: Record<string, string>): Promise<AppliedPatch> => {
    for (const [file, text] of Object.entries(files)) {
      await mkdir(join(home, dirname(file)), { recursive: true }).catch(async () => {
        await rm(join(home, dirname(file)));
        await mkdir(join(home, dirname(file)));
      });
      await writeFile(join(home, file), text);
    }
    await git(home, ['add', '.']);
    await git(home, ['commit', '--quiet', '-m', 'a patch']);
    const hash = (await git(home, ['rev-parse', 'HEAD'])).stdout;
    return { series: 's', file: 'a.patch', subject: 'a patch', commit: hash, files: Object.keys(files) };
  };
  await git(home, ['init', '--quiet']);
  await commit(Object.fromEntries([...unpatched, binding].map((file) => [file, 'old'])));
  const applied: AppliedPatch[] = [];
  for (const files of patches) applied.push(await commit(files));
  const source = await openSource({ gitDir: join(home, '.git'), patches: applied }, quietContext(home));
  t.teardown(() => source[Symbol.asyncDispose]());
  return { applied, source };
}

async function filesOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1)).sort();
}

test('the work tree has what the scripts read, and what the series touches', async (t) => {
  const { applied, source } = await apply(t, [
    { 'fs/a.c': 'first' },
    { 'fs/a.c': 'second', 'fs/b [1].c': 'new' },
  ]);
  const before = unpatched.filter((file) => file !== 'drivers/other.c');
  t.deepEqual(await filesOf(source.directory), before);
  const content = () => readFile(join(source.directory, 'fs/a.c'), 'utf8');
  t.is(await content(), 'old');
  await source.show(`${applied[1]!.commit}^`);
  t.is(await content(), 'first');
  await source.show(applied[1]!.commit);
  t.is(await content(), 'second');
  t.deepEqual(await filesOf(source.directory), [...before, 'fs/b [1].c'].sort());
  await source.show(`${applied[0]!.commit}^`);
  t.deepEqual([await content(), await filesOf(source.directory)], ['old', before]);
});

test('bindings are there if a patch names a device', async (t) => {
  const { source } = await apply(t, [{ 'fs/a.c': '\t{ .compatible = "vendor,device" },\n' }]);
  t.true((await filesOf(source.directory)).includes(binding));
});

test('a series is checked by the scripts and settings that the base has', async (t) => {
  const own = 'scripts/checkpatch.pl';
  const { applied, source } = await apply(t, [
    { [own]: 'finds nothing', '.checkpatch.conf': '--ignore=ALL', 'scripts/mod/a.c': 'new' },
    { 'fs/a.c': 'second' },
  ]);
  const content = (file: string) => readFile(join(source.directory, file), 'utf8');
  for (const name of [`${applied[1]!.commit}^`, applied[1]!.commit]) {
    await source.show(name);
    t.is(await content(own), 'old');
    t.is(await content('scripts/mod/a.c'), 'new');
    t.false((await filesOf(source.directory)).includes('.checkpatch.conf'));
  }
  t.is(await content('fs/a.c'), 'second');
});

test('a directory or a link in the place of a script does not keep the base’s away', async (t) => {
  const { applied, source } = await apply(t, [{ 'scripts/checkpatch.pl/file': 'new' }]);
  await source.show(applied[0]!.commit);
  t.is(await readFile(join(source.directory, 'scripts/checkpatch.pl'), 'utf8'), 'old');
});
