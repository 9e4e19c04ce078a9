// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Context } from '../context.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { readSuite, type Suite } from '../suite/suite.ts';
import { exists } from '../util/files.ts';
import { compileSuite } from './compile.ts';
import { sharedHeaders, sharedHeadersKey } from './headers.ts';

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

async function compile(t: ExecutionContext, dir: string, suite: Suite): Promise<string> {
  const output = await mkdtemp(join(dir, 'output-'));
  const scratch = await mkdtemp(join(dir, 'scratch', 'x-'));
  const kernel = { dir: join(dir, 'kernel') } as Kernel;
  const context: Context = {
    cache: join(dir, 'cache'),
    signal: AbortSignal.timeout(120_000),
    progress: () => {},
    note: (_, text) => t.log(text),
  };
  await compileSuite(suite, kernel, output, scratch, join(dir, 'runtime'), context);
  return output;
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
