// SPDX-License-Identifier: MIT
// Real make on a Makefile of a few lines.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { quietContext } from '../testing/context.ts';
import { exists } from '../util/files.ts';
import { ccacheReach, hasDebugInfo, kernelMake } from './make.ts';
import { unfinished } from './workspace.ts';

const compiler = ['CC=ccache gcc'];

const makefile = `
tell:
	@echo "by $$KBUILD_BUILD_USER@$$KBUILD_BUILD_HOST at $$KBUILD_BUILD_TIMESTAMP, #$$KBUILD_BUILD_VERSION$$LOCALVERSION"
	@echo "CC=$(CC) ARCH=$(ARCH) LC_ALL=$$LC_ALL"
	@echo "KCFLAGS=$$KCFLAGS"
	@echo "CCACHE_DIR=$$CCACHE_DIR"
built:
	@test -e $(O)/${unfinished} && echo whole > $(O)/vmlinux
broken:
	@echo "a.c:1: error: no" >&2; exit 1
killed:
	@kill -9 $$PPID
`;

async function example(t: ExecutionContext) {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-make-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [source, build] = [join(dir, 'source'), join(dir, 'build')];
  for (const path of [source, build]) await mkdir(path);
  await writeFile(join(source, 'Makefile'), makefile);
  const context = quietContext(join(dir, 'cache'));
  const lines: string[] = [];
  const make = (...targets: string[]) =>
    kernelMake({ source, build, seen: { source, build }, compiler }, targets, context, (line) =>
      lines.push(line),
    );
  return { source, build, context, lines, make };
}

test('nothing of the machine, the user or the time goes into the kernel', async (t) => {
  const { lines, make, context } = await example(t);
  await make('tell');
  t.true(lines.includes('by kiln@kiln at Thu Jan  1 00:00:00 UTC 1970, #1'));
  t.true(lines.includes('CC=ccache gcc ARCH=x86_64 LC_ALL=C'));
  t.true(lines.includes('KCFLAGS='));
  t.true(lines.includes(`CCACHE_DIR=${join(context.cache, 'ccache')}`));
});

test('a build directory is marked while make works in it', async (t) => {
  const { build, make } = await example(t);
  await make('built');
  t.is(await readFile(join(build, 'vmlinux'), 'utf8'), 'whole\n');
  t.false(await exists(join(build, unfinished)));
});

test('a make that fails by itself has tidied up; one that was killed has not', async (t) => {
  const { build, lines, make } = await example(t);
  await t.throwsAsync(make('broken'), { message: 'make failed with exit code 2' });
  t.true(lines.includes('a.c:1: error: no'));
  t.false(await exists(join(build, unfinished)));
  await t.throwsAsync(make('killed'), { message: /killed by SIGKILL/ });
  t.true(await exists(join(build, unfinished)));
});

test('debug information names files as the tree does, wherever the cache is', async (t) => {
  const { source, build, lines, make } = await example(t);
  t.false(await hasDebugInfo(build));
  await writeFile(join(build, '.config'), 'CONFIG_DEBUG_INFO=y\n');
  t.true(await hasDebugInfo(build));
  await make('tell');
  t.true(lines.includes(`KCFLAGS=-fdebug-prefix-map=${source}=. -fdebug-prefix-map=${build}=.`));
  await writeFile(join(build, '.config'), '# CONFIG_DEBUG_INFO=y is not set\n');
  t.false(await hasDebugInfo(build));
});

test('what comes from elsewhere may read what ccache holds, and adds nothing', async (t) => {
  const { context } = await example(t);
  const dir = join(context.cache, 'ccache');
  const foreign = { flags: ['--unshare-net'], reason: '', foreign: true };
  const theirs = await ccacheReach({ ...context, sandbox: foreign });
  t.deepEqual([theirs.read, theirs.write, theirs.env.CCACHE_READONLY], [[dir], [], '1']);
  for (const ours of [context, { ...context, sandbox: { ...foreign, foreign: false } }]) {
    const { read, write, env } = await ccacheReach(ours);
    t.deepEqual([read, write, env.CCACHE_READONLY], [[], [dir], undefined]);
  }
});
