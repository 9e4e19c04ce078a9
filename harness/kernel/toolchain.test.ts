// SPDX-License-Identifier: MIT
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { KilnError } from '../errors.ts';
import { findToolchain } from './toolchain.ts';

test('the default is gcc, and its version is part of the key', async (t) => {
  const gcc = await findToolchain();
  t.regex(gcc.compiler, /^gcc /);
  t.deepEqual(gcc.make, ['CC=ccache gcc', 'HOSTCC=ccache gcc']);
  t.is((await findToolchain({ llvm: null, cc: 'gcc' })).id, gcc.id);
});

test('LLVM in a directory, with its linker', async (t) => {
  const dir = `${await mkdtemp(join(tmpdir(), 'kiln-llvm-'))}/`;
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  for (const name of ['clang', 'ld.lld']) {
    await writeFile(join(dir, name), `#!/bin/sh\necho "${name} 19.1"\n`);
    await chmod(join(dir, name), 0o755);
  }
  const { compiler, linker, make, id } = await findToolchain({ llvm: dir, cc: null });
  t.deepEqual([compiler, linker], ['clang 19.1', 'ld.lld 19.1']);
  t.deepEqual(make, [`LLVM=${dir}`, `CC=ccache ${dir}clang`, `HOSTCC=ccache ${dir}clang`]);
  t.not(id, (await findToolchain()).id);
});

test('a compiler that is not there is a mistake of the command line', async (t) => {
  for (const choice of [
    { llvm: '-99', cc: null },
    { llvm: null, cc: 'gcc-99' },
  ]) {
    const error = await t.throwsAsync<KilnError>(findToolchain(choice));
    t.is(error.code, 'bad-input');
    t.regex(error.message, /(clang|gcc)-99 can't be run|ld\.lld-99 can't be run/);
  }
});
