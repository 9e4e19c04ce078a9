// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { KilnError } from '../errors.ts';
import { findSuites, leftOutOf, readSuite } from './suite.ts';

const main = 'int main(void)\n{\n\treturn 0;\n}\n';

test('a suite has its tests, helpers, config and settings', async (t) => {
  const dir = await files(t, {
    'fs/plain.c': main,
    'fs/harness.c': '#include "../kselftest_harness.h"\nTEST(a) {}\nTEST_HARNESS_MAIN\n',
    'fs/common.c': 'int domain(int x) { return x; }\nint remain (void);\n',
    'fs/common.h': 'int main(void);\n',
    'fs/config': 'CONFIG_TMPFS=y\n',
    'fs/settings': 'timeout=7\n',
  });
  const suite = await readSuite(join(dir, 'fs'));
  t.deepEqual(suite, {
    name: 'fs',
    dir: join(dir, 'fs'),
    programs: [
      { name: 'harness', source: join(dir, 'fs/harness.c') },
      { name: 'plain', source: join(dir, 'fs/plain.c') },
    ],
    tests: [
      { name: 'harness', program: 'harness', settings: { timeout: 7 } },
      { name: 'plain', program: 'plain', settings: { timeout: 7 } },
    ],
    helpers: [join(dir, 'fs/common.c')],
    config: 'CONFIG_TMPFS=y\n',
    makefile: '',
    scripts: [],
  });
});

test('scripts of a suite are known by their first line, its Makefile is read', async (t) => {
  const dir = await files(t, {
    'fs/a.c': main,
    'fs/b.sh': '#!/bin/sh\nexit 1\n',
    'fs/a_test': '#!/usr/bin/env python3\n',
    'fs/sourced.sh': 'no_first_line=1\n',
    'fs/deep/c.sh': '#!/bin/sh\n',
    'fs/Makefile': 'LDLIBS += -lm\n',
  });
  const suite = await readSuite(join(dir, 'fs'));
  t.deepEqual(suite.scripts, ['a_test', 'b.sh']);
  t.is(suite.makefile, 'LDLIBS += -lm\n');
});

test('what of a suite is left out is told', async (t) => {
  const dir = await files(t, {
    'fs/a.c': main,
    'fs/b.sh': '#!/bin/sh\nexit 1\n',
    'fs/Makefile': 'CFLAGS += $(shell x) -Werror -DA\n',
    'plain/a.c': main,
  });
  t.deepEqual(leftOutOf(await readSuite(join(dir, 'fs'))), [
    'fs: 1 script is not run, because a guest has no shell: b.sh',
    'fs: the Makefile has flags that are ignored: CFLAGS: $(shell x), CFLAGS: -Werror',
  ]);
  t.deepEqual(leftOutOf(await readSuite(join(dir, 'plain'))), []);
});

test('a directory that has nothing but scripts is refused, and they are named', async (t) => {
  const dir = await files(t, { 'fs/b.sh': '#!/bin/sh\n', 'fs/lib.c': 'int x;\n' });
  const error = await t.throwsAsync(readSuite(join(dir, 'fs')), { instanceOf: KilnError, code: 'bad-input' });
  t.regex(error!.hint, /b\.sh/);
});

test('config and settings may be absent', async (t) => {
  const dir = await files(t, { 'fs/a.c': main });
  const { config, tests } = await readSuite(join(dir, 'fs'));
  t.deepEqual([config, tests[0]?.settings], ['', {}]);
});

test('suites are found in name order; hidden, empty and plain things are not suites', async (t) => {
  const dir = await files(t, {
    'b/x.c': main,
    'a/x.c': main,
    'Z/x.c': main,
    '.hidden/x.c': main,
    'headers/x.h': '',
    'README.c': main,
  });
  t.deepEqual(
    (await findSuites(dir)).map(({ name }) => name),
    ['Z', 'a', 'b'],
  );
});

test('a directory with helpers only is no suite', async (t) => {
  const dir = await files(t, { 'fs/a.c': main, 'lib/util.c': 'int util(void) { return 1; }\n' });
  t.deepEqual(
    (await findSuites(dir)).map(({ name }) => name),
    ['fs'],
  );
});

test('a helper whose comment speaks of main() is a helper', async (t) => {
  const dir = await files(t, {
    'fs/a.c': main,
    'fs/util.c': '/* Called by main() of every test. */\nint util(void) { return 1; }\n',
  });
  const { tests, helpers } = await readSuite(join(dir, 'fs'));
  t.deepEqual([tests.length, helpers.length], [1, 1]);
});

test('what is no suite is refused', async (t) => {
  const dir = await files(t, { 'none/util.c': 'int util;\n', 'a b/x.c': main, 'file.c': main });
  const refused = async (path: string, message: RegExp) => {
    const error = await t.throwsAsync(readSuite(join(dir, path)), { instanceOf: KilnError, message });
    t.is(error.code, 'bad-input');
  };
  await refused('none', /no \*\.c file with a main function/);
  await refused('a b', /the name of a suite or test is made of/);
  await refused('file.c', /no directory of tests at/);
  await refused('absent', /no directory of tests at/);
});

test('a program may have settings of its own, and sections of them that are tests too', async (t) => {
  const dir = await files(t, {
    'fs/a.c': main,
    'fs/b.c': main,
    'fs/settings': 'timeout=7\ncpus=1\n',
    'fs/b.settings': 'cpus=2\n[more]\nmemory=1G\n[most]\ncpus=8\n',
  });
  t.deepEqual((await readSuite(join(dir, 'fs'))).tests, [
    { name: 'a', program: 'a', settings: { timeout: 7, cpus: 1 } },
    { name: 'b', program: 'b', settings: { timeout: 7, cpus: 2 } },
    { name: 'b@more', program: 'b', settings: { timeout: 7, cpus: 2, memory: 1024 } },
    { name: 'b@most', program: 'b', settings: { timeout: 7, cpus: 8 } },
  ]);
});

test('settings of a test that is not there are refused', async (t) => {
  const dir = await files(t, { 'fs/a.c': main, 'fs/aa.settings': 'cpus=2\n' });
  const error = await t.throwsAsync(readSuite(join(dir, 'fs')), { instanceOf: KilnError });
  t.is(error.message, `${join(dir, 'fs/aa.settings')}: there is no test of that name in the suite`);
});

test("an error in a suite's settings names the file", async (t) => {
  const dir = await files(t, { 'fs/a.c': main, 'fs/settings': 'memory=lots\n' });
  const error = await t.throwsAsync(readSuite(join(dir, 'fs')));
  t.true(error.message.startsWith(`${join(dir, 'fs/settings')}:1: `));
});

async function files(t: ExecutionContext, content: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(content)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
  return dir;
}
