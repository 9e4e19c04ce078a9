// SPDX-License-Identifier: MIT
// Real git, gcc and ar on a tree of a few files.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import { parseFragment } from './fragment.ts';
import { touchedFiles } from './touched.ts';
import { configOfTouched } from './touchedConfig.ts';

const base: Record<string, string> = {
  Makefile: '',
  Kbuild: 'obj-y += drivers/ fs/ net/\n',
  'drivers/Makefile': 'obj-$(CONFIG_OTHER_USER) += far.o\n',
  'drivers/far.c': '#include <net/deep.h>\nvoid far(void);\n',
  'fs/Makefile': 'obj-y += open.o\nobj-$(CONFIG_QUOTA) += quota.o\n',
  'net/Makefile':
    'obj-$(CONFIG_SOCK) += sock.o deep_user.o\nobj-$(CONFIG_FOREIGN) += deep.o\nobj-$(CONFIG_TEST) += test.o\n',
  Kconfig: `config QUOTA
	bool "quota"
config SOCK
	bool "sock"
	depends on STACK
config STACK
	bool "stack"
config TEST
	bool "test"
	depends on !OTHER
config FOREIGN
	bool "foreign"
	depends on ARM64 || COMPILE_TEST
config COMPILE_TEST
	bool "compile"
config OTHER_USER
	bool "far from the header"
config OTHER
	bool "other"
`,
  'fs/open.c': `#include "inner.h"
#include "../include/linux/outer.h"
int kept(int a)
{
	return a;
}

__attribute__((noinline)) static int cloned(int a, int b)
{
	return a * b;
}

static int inlined(void)
{
	return 1;
}

#ifdef CONFIG_QUOTA
int left_out(void)
{
	return 1;
}
#endif

#ifdef SOME_MACRO
int unclear(void)
{
	return 1;
}
#endif

int user(int a)
{
	return cloned(a, 3) + inlined() + from_header();
}
`,
  'fs/inner.h':
    '#ifndef INNER_H\n#define INNER_H\nstatic inline int from_header(void)\n{\n\treturn 1;\n}\n#endif\n',
  'include/linux/outer.h': '#define OUTER 1\n',
  'fs/quota.c': 'int quota;\n',
  'net/sock.c': '#include <net/sock.h>\nint sock;\n',
  'net/test.c': '#ifdef CONFIG_STACK\n#include "part.c"\n#endif\n',
  'net/part.c': 'int part;\n',
  'include/net/sock.h': '#include <net/deep.h>\n',
  'net/deep_user.c': '#include <net/deep.h>\n',
  'net/deep.c': '#include <net/deep.h>\n',
  'include/net/deep.h': '#define DEEP 1\n',
  'arch/arm64/kernel/a.c': 'int a;\n',
  'tools/t.c': 'int t;\n',
  'Documentation/d.rst': 'Text\n',
};

/** A repository with two commits: the second changes every line that has a 1 or an int. */
async function example(t: ExecutionContext) {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  await git(dir, ['init', '--quiet', '--template=']);
  const commits: string[] = [];
  for (const change of [
    (text: string) => text,
    (text: string) =>
      text
        .replace(/return 1;|return a(?: \* b)?;/g, '$& /* new */')
        .replace(/^int \w+;/gm, '$& /* new */')
        .replace('DEEP 1', 'DEEP 2')
        .replace('OUTER 1', 'OUTER 2')
        .replace('Text', 'More'),
  ]) {
    for (const [path, text] of Object.entries(base)) {
      await mkdir(dirname(join(dir, path)), { recursive: true });
      await writeFile(join(dir, path), change(text));
    }
    await git(dir, ['add', '--all']);
    await git(dir, ['commit', '--quiet', '--message', 'a change']);
    commits.push((await git(dir, ['rev-parse', 'HEAD'])).stdout);
  }
  return { dir, from: commits[0]!, to: commits[1]! };
}

/** What kbuild would leave of fs/open.c. */
async function build(dir: string): Promise<string> {
  const to = join(dir, 'build');
  await mkdir(join(to, 'fs'), { recursive: true });
  await exec('gcc', ['-O2', '-c', join(dir, 'fs/open.c'), '-o', 'fs/open.o'], { cwd: to });
  await exec('gcc', ['-c', join(dir, 'fs/quota.c'), '-o', 'fs/quota.o'], { cwd: to });
  await exec('ar', ['cDPrST', 'vmlinux.a', 'fs/open.o'], { cwd: to });
  const read = ['fs/inner.h', 'include/linux/outer.h'].map((path) => `  ${dir}/${path} \\\n`).join('');
  await writeFile(
    join(to, 'fs/.open.o.cmd'),
    `source_fs/open.o := ${dir}/fs/open.c\n\ndeps_fs/open.o := \\\n${read}\n`,
  );
  await writeFile(join(to, '.config'), '# CONFIG_QUOTA is not set\n');
  return to;
}

test('a build says which touched files and functions it has', async (t) => {
  const { dir, from, to } = await example(t);
  const reasons = new Map([['net/sock.c', 'it needs more']]);
  const files = await touchedFiles({ gitDir: dir, from, to, build: await build(dir), reasons });
  const shown = files.map(({ path, compiled, reason, functions }) => [
    path,
    compiled,
    reason,
    functions.map((one) => `${one.compiled ? '' : '!'}${one.name}`).join(' '),
  ]);
  t.deepEqual(shown, [
    ['Documentation/d.rst', null, 'documentation', ''],
    ['arch/arm64/kernel/a.c', false, 'for another architecture (arch/arm64)', ''],
    ['fs/inner.h', true, 'in fs/open.o', 'from_header'],
    ['fs/open.c', true, 'inlined, or left out by an #if: unclear', 'kept cloned inlined !left_out !unclear'],
    ['fs/quota.c', false, 'its object is not linked into the kernel', ''],
    ['include/linux/outer.h', true, 'in fs/open.o', ''],
    ['include/net/deep.h', false, 'no file that this configuration builds includes it', ''],
    ['net/part.c', false, 'this configuration does not build it', ''],
    ['net/sock.c', false, 'it needs more', ''],
    ['tools/t.c', null, 'a program for user space', ''],
  ]);
});

test('a file that the patch removes has no code', async (t) => {
  const { dir, from } = await example(t);
  await git(dir, ['rm', '--quiet', 'fs/quota.c']);
  await git(dir, ['commit', '--quiet', '--message', 'remove']);
  const [file] = await touchedFiles({
    gitDir: dir,
    from: `HEAD^`,
    to: 'HEAD',
    build: await build2(dir, from),
    reasons: new Map(),
  });
  t.deepEqual(file, {
    path: 'fs/quota.c',
    compiled: false,
    reason: 'the patch removes it, or leaves it empty',
    functions: [],
  });
});

/** The build, with the file that is gone. */
async function build2(dir: string, commit: string): Promise<string> {
  await writeFile(join(dir, 'fs/quota.c'), (await git(dir, ['show', `${commit}:fs/quota.c`])).stdout);
  return build(dir);
}

test('the config of touched files has the options that build them, or says why not', async (t) => {
  const { dir, to } = await example(t);
  const { fragment: own } = parseFragment('own', 'CONFIG_OTHER=y\n');
  const paths = [
    'fs/open.c',
    'include/net/deep.h',
    'net/sock.c',
    'net/part.c',
    'arch/arm64/kernel/a.c',
    'net/gone.c',
    'Kbuild',
  ];
  const find = async (fragments: (typeof own)[]) =>
    configOfTouched({ gitDir: dir, commit: to, paths, fragments, defaults: false });
  const { fragment, files } = await find([own]);
  t.deepEqual(
    files.map(({ path, isCode, source, condition, options, reason }) => [
      path,
      isCode,
      source,
      condition,
      options.join(' '),
      reason,
    ]),
    [
      ['fs/open.c', true, 'fs/open.c', 'y', '', null],
      ['include/net/deep.h', true, 'net/deep_user.c', 'SOCK', 'STACK SOCK', null],
      ['net/sock.c', true, 'net/sock.c', 'SOCK', '', null],
      [
        'net/part.c',
        true,
        'net/test.c',
        'TEST && STACK',
        '',
        'it needs OTHER off, which this configuration has on',
      ],
      ['arch/arm64/kernel/a.c', true, null, null, '', 'for another architecture (arch/arm64)'],
      ['net/gone.c', true, null, null, '', 'no Makefile builds it'],
      ['Kbuild', false, null, null, '', 'a Makefile'],
    ],
  );
  t.deepEqual(
    fragment.wishes.map(({ symbol, value, need }) => `${symbol}=${value} ${need}`),
    ['STACK=y preferred', 'SOCK=y preferred'],
  );
  const free = await find([]);
  t.deepEqual(free.files[3]!.options, ['TEST']);
});

test('a patch without code reads no tree', async (t) => {
  const request = { gitDir: '/nowhere', commit: 'x', fragments: [], defaults: false };
  const { files } = await configOfTouched({ ...request, paths: ['MAINTAINERS', 'tools/a.c'] });
  t.deepEqual(
    files.map(({ reason }) => reason),
    ['no code', 'a program for user space'],
  );
});
