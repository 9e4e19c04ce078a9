// SPDX-License-Identifier: MIT
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { chooseSandbox } from '../../sandbox/sandbox.ts';
import { quietContext } from '../../testing/context.ts';
import { runScript } from './script.ts';

const sandbox = await chooseSandbox('auto', true);

async function run(t: ExecutionContext, text: string, input = '', signal?: AbortSignal) {
  const directory = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, 'script'), text);
  await chmod(join(directory, 'script'), 0o755);
  const context = quietContext(directory, { sandbox, ...(signal && { signal }) });
  const result = await runScript(
    { file: 'script', words: ['a', 'b'], directory, input: Buffer.from(input) },
    context,
  );
  return { result, files: await readdir(directory) };
}

test('a script reads its input, and may end with 1', async (t) => {
  const { result } = await run(t, '#!/bin/sh\necho "$1 $2" $(cat); echo why >&2; exit 1\n', 'input');
  t.deepEqual(result, { stdout: 'a b input', stderr: 'why', exitCode: 1 });
});

test('a script that fails, or can’t start, is no more than a trouble', async (t) => {
  const failed = await run(t, '#!/bin/sh\necho cause >&2; exit 2\n');
  t.deepEqual(failed.result, { trouble: 'script failed with exit code 2: cause' });
  const missing = await run(t, '#!/usr/bin/env kiln-no-such-interpreter\n');
  t.regex(
    (missing.result as { trouble: string }).trouble,
    /^\S*env: .*kiln-no-such-interpreter.*No such file/,
  );
});

test('an interruption is thrown', async (t) => {
  const stop = AbortSignal.abort();
  await t.throwsAsync(run(t, '#!/bin/sh\n', '', stop), { code: 'interrupted' });
});

(sandbox.flags ? test : test.skip)('a script can’t write to the tree', async (t) => {
  const { files, result } = await run(t, '#!/bin/sh\ntouch made || echo refused\n');
  t.deepEqual(files, ['script']);
  t.is((result as { stdout: string }).stdout, 'refused');
});
