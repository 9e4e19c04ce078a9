// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Kernel } from '../kernel/kernel.ts';
import { readSuite, type Suite } from '../suite/suite.ts';
import { quietContext } from '../testing/context.ts';
import { exists } from '../util/files.ts';
import { type Broken, compileSuite } from './compile.ts';
import { neighbourFiles, sharedHeaders, sharedHeadersKey } from './headers.ts';

const including = (header: string) =>
  `#include "../include/${header}"\n\nint main(void)\n{\n\treturn 0;\n}\n`;

test('the headers of include/ beside a suite are shared; its directories and links are left alone', async (t) => {
  const dir = await files(t, {
    'fs/a.c': including('b.h'),
    'include/b.h': '',
    'include/a.h': '',
    'include/sys/c.h': '',
    'include/notes': '',
    secret: 'not for a guest',
  });
  await symlink(join(dir, 'secret'), join(dir, 'include/link.h'));
  const headers = await sharedHeaders(await readSuite(join(dir, 'fs')));
  t.deepEqual(headers, [join(dir, 'include/a.h'), join(dir, 'include/b.h')]);
});

test('a suite from anywhere has those of guest-tests/include', async (t) => {
  const dir = await files(t, { 'fs/a.c': including('eventually.h') });
  const headers = await sharedHeaders(await readSuite(join(dir, 'fs')));
  t.true(headers.map((path) => basename(path)).includes('eventually.h'));
});

test('a changed header makes new programs', async (t) => {
  const dir = await files(t, { 'fs/a.c': including('a.h'), 'include/a.h': '#define A 1\n' });
  const suite = await readSuite(join(dir, 'fs'));
  const before = await sharedHeadersKey(suite);
  await writeFile(join(dir, 'include/a.h'), '#define A 2\n');
  t.not(await sharedHeadersKey(suite), before);
});

test('programs are compiled with them', async (t) => {
  const dir = await files(t, {
    'suites/fs/own.c': including('own.h'),
    'suites/include/own.h': '#include "../kselftest.h"\n',
    'elsewhere/fs/ours.c': including('eventually.h'),
    'kernel/selftests/kselftest.h': '',
    'kernel/headers/include/unused.h': '',
    'runtime/kiln.h': '',
    'scratch/unused': '',
  });
  for (const [path, program] of [
    ['suites/fs', 'own'],
    ['elsewhere/fs', 'ours'],
  ] as const)
    t.true(await exists(join(await compile(t, dir, await readSuite(join(dir, path))), program)));
});

/** Suites beside each other, as in tools/testing/selftests. */
const selftests = {
  'tree/alpha/sibling.c': '#include "../beta/beta.h"\nint main(void) { return beta(); }\n',
  'tree/alpha/flagged.c': '#include "gamma.h"\nint main(void) { return GAMMA; }\n',
  'tree/alpha/Makefile': 'CFLAGS += -I../gamma\n',
  'tree/beta/beta.h': '#include "more/more.h"\nstatic inline int beta(void) { return MORE; }\n',
  'tree/beta/more/more.h': '#include "../../delta/impl.c"\n#define MORE 4\n',
  'tree/beta/unused.h': '',
  'tree/gamma/gamma.h': '#include "second.h"\n',
  'tree/gamma/second.h': '#define GAMMA 7\n',
  'tree/gamma/note.txt': '',
  'tree/delta/impl.c': 'static const int impl = 1;\n',
  'tree/math/needs_math.c':
    '#include <math.h>\nint main(int argc, char **argv) { return argv[0] && sqrt((double)argc) > 9; }\n',
  'tree/math/Makefile': 'LDLIBS += -lm\n',
  'tree/one/has.c': 'int main(void) { return HAS; }\n',
  'tree/one/has_not.c': '#ifdef HAS\n#error HAS is for one program\n#endif\nint main(void) { return 0; }\n',
  'tree/one/Makefile': '$(OUTPUT)/has: CFLAGS += -DHAS=1 -std=c99\n',
  'outside.h': '#error no\n',
  'kernel/selftests/kselftest.h': '',
  'kernel/headers/include/unused.h': '',
  'runtime/kiln.h': '',
  'scratch/unused': '',
};

test('files of neighbours that a suite includes, whichever way, and no others', async (t) => {
  const dir = await files(t, selftests);
  const suite = await readSuite(join(dir, 'tree/alpha'));
  t.deepEqual(await neighbourFiles(suite), [
    'beta/beta.h',
    'beta/more/more.h',
    'delta/impl.c',
    'gamma/gamma.h',
    'gamma/second.h',
  ]);
  const before = await sharedHeadersKey(suite);
  await writeFile(join(dir, 'tree/delta/impl.c'), 'static const int impl = 2;\n');
  t.not(await sharedHeadersKey(suite), before);
});

test('what lies outside of the directory of suites is not copied, nor what a link leads to', async (t) => {
  const dir = await files(t, {
    ...selftests,
    'tree/alpha/out.c': '#include "../../outside.h"\n#include "../beta/link.h"\n',
  });
  await symlink(join(dir, 'outside.h'), join(dir, 'tree/beta/link.h'));
  const found = await neighbourFiles(await readSuite(join(dir, 'tree/alpha')));
  t.false(
    found.some((file) => /outside|link/.test(file)),
    found.join(),
  );
});

test('programs are compiled with headers of neighbours, and with the flags of the Makefile', async (t) => {
  const dir = await files(t, selftests);
  for (const [suite, program] of [
    ['alpha', 'sibling'],
    ['alpha', 'flagged'],
    ['math', 'needs_math'],
    ['one', 'has'],
    ['one', 'has_not'],
  ] as const)
    t.true(await exists(join(await compile(t, dir, await readSuite(join(dir, 'tree', suite))), program)));
});

test('a suite one level deeper finds the headers of the tested tree, and those of the directory around it', async (t) => {
  const dir = await files(t, {
    ...selftests,
    'kernel/selftests/kselftest.h': '#define TREES 0\n',
    'tree/fs/over/a.c':
      '#include "../wrappers.h"\n#include "../../kselftest.h"\nint main(void) { return WRAPPED + TREES; }\n',
    'tree/fs/wrappers.h': '#define WRAPPED 0\n',
    'tree/beside/b.c': '#include "../kselftest.h"\nint main(void) { return TREES; }\n',
    'tree/kselftest.h': '#error not of the tested tree\n',
  });
  for (const [suite, program] of [
    ['fs/over', 'a'],
    ['beside', 'b'],
  ] as const)
    t.true(await exists(join(await compile(t, dir, await readSuite(join(dir, 'tree', suite))), program)));
});

test('headers of the tested tree by -I$(top_srcdir); a program may have its own function of the C library', async (t) => {
  const dir = await files(t, {
    ...selftests,
    'kernel/tree/include/vdso/time64.h': '#define NSEC_PER_SEC 1000000000L\n',
    'tree/timers/Makefile': 'CFLAGS += -O3 -I $(top_srcdir)\n',
    'tree/timers/adjust.c':
      '#include <include/vdso/time64.h>\n#include <sys/timex.h>\n#include <time.h>\nint clock_adjtime(clockid_t id, struct timex *tx)\n{ return NSEC_PER_SEC == 1; }\nint main(void) { return adjtimex(0) + clock_adjtime(0, 0); }\n',
    'tree/twice/a.c': 'int one(void) { return 1; }\nint main(void) { return one(); }\n',
    'tree/twice/helper.c': 'int one(void) { return 2; }\n',
  });
  t.true(await exists(join(await compile(t, dir, await readSuite(join(dir, 'tree/timers'))), 'adjust')));
  const { broken } = await build(t, dir, await readSuite(join(dir, 'tree/twice')));
  t.regex(broken[0]!.errors.join('\n'), /multiple definition of `one'/);
});

test('a static library that this machine lacks is named', async (t) => {
  const dir = await files(t, {
    ...selftests,
    'tree/math/Makefile': 'LDLIBS += -lkilnhasnosuchlibrary\n',
  });
  const { broken } = await build(t, dir, await readSuite(join(dir, 'tree/math')));
  t.true(broken.length > 0);
  for (const { errors, hint } of broken) {
    t.regex(errors.join('\n'), /kilnhasnosuchlibrary/);
    t.regex(hint, /libkilnhasnosuchlibrary\.a/);
  }
});

/** All programs must build. */
async function compile(t: ExecutionContext, dir: string, suite: Suite): Promise<string> {
  const { output, broken } = await build(t, dir, suite);
  t.deepEqual(broken, []);
  return output;
}

async function build(
  t: ExecutionContext,
  dir: string,
  suite: Suite,
): Promise<{ output: string; broken: Broken[] }> {
  const output = await mkdtemp(join(dir, 'output-'));
  const scratch = await mkdtemp(join(dir, 'scratch', 'x-'));
  const kernel = { dir: join(dir, 'kernel') } as Kernel;
  const signal = AbortSignal.timeout(120_000);
  const context = quietContext(join(dir, 'cache'), { signal, note: (_, text) => t.log(text) });
  const broken = await compileSuite(suite, kernel, output, scratch, join(dir, 'runtime'), context);
  return { output, broken };
}

async function files(t: ExecutionContext, content: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-headers-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(content)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
  return dir;
}

// By itself: it changes PATH.
test.serial('a compiler that the machine stops says nothing of the program', async (t) => {
  const dir = await files(t, {
    ...selftests,
    'tree/one/a.c': 'int main(void) { return 0; }\n',
    'bin/unused': '',
  });
  const suite = await readSuite(join(dir, 'tree/one'));
  const path = process.env.PATH;
  t.teardown(() => {
    process.env.PATH = path;
  });
  process.env.PATH = `${join(dir, 'bin')}:${path}`;
  for (const script of [
    'echo "fatal error: error writing to x.s: No space left on device" >&2; exit 1',
    'echo "gcc: fatal error: Killed signal terminated program cc1" >&2; exit 1',
    'kill -9 $$',
  ]) {
    await writeFile(join(dir, 'bin/ccache'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    await t.throwsAsync(build(t, dir, suite), { code: 'infrastructure' }, script);
  }
});
