// SPDX-License-Identifier: MIT
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { KilnError } from '../errors.ts';
import { requireTools } from './buildTools.ts';
import { parseConfig } from './dotConfig.ts';

test('a program that a configuration needs and that is missing is named before the build, with its package', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const config = parseConfig(
    'CONFIG_KERNEL_ZSTD=y\n# CONFIG_KERNEL_XZ is not set\nCONFIG_MODULE_SIG_KEY="certs/signing_key.pem"',
  );
  await writeFile(join(dir, 'openssl'), '');
  const error = await t.throwsAsync<KilnError>(requireTools(config, `/nowhere::${dir}`));
  t.is(error.code, 'bad-input');
  t.is(error.message, 'programs are missing: CONFIG_KERNEL_ZSTD=y needs zstd');
  t.regex(error.hint, /^install zstd /);
  await writeFile(join(dir, 'zstd'), '');
  await t.notThrowsAsync(requireTools(config, dir));
  await rm(join(dir, 'openssl'));
  await t.throwsAsync(requireTools(config, dir), { message: /MODULE_SIG_KEY=.* needs openssl$/ });
  await t.notThrowsAsync(requireTools(parseConfig('CONFIG_MODULE_SIG_KEY="certs/mine.pem"'), dir));
});
