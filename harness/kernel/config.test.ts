// SPDX-License-Identifier: MIT
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { KilnError } from '../errors.ts';
import { git } from '../util/git.ts';
import {
  findDisagreements,
  findMissing,
  listFragments,
  missingError,
  readFragments,
  suiteFragment,
} from './config.ts';
import { parseConfig } from './dotConfig.ts';

test('every kernel has base and x86_64; what is asked for follows, each once', async (t) => {
  const dir = await fragments(t);
  const names = async (asked: string[]) => (await readFragments(dir, asked)).map(({ name }) => name);
  t.deepEqual(await names([]), ['base', 'x86_64']);
  t.deepEqual(await names(['lockdep', 'kasan', 'lockdep']), ['base', 'x86_64', 'lockdep', 'kasan']);
  t.is((await readFragments(dir, ['kasan']))[2]?.text, 'CONFIG_KASAN=y\n');
});

test('those that every kernel has are not listed', async (t) => {
  t.deepEqual(await listFragments(await fragments(t)), ['kasan', 'lockdep']);
});

test('an unknown fragment is a mistake on the command line, answered with those there are', async (t) => {
  const dir = await fragments(t);
  for (const name of ['kasn', 'base', '../secret', '']) {
    const error = await t.throwsAsync<KilnError>(readFragments(dir, [name]), { instanceOf: KilnError });
    t.is(error.code, 'usage');
    t.regex(error.hint, /known: kasan, lockdep;/);
  }
});

test('a symbol that a suite wants as a module is built in', (t) => {
  const { name, text } = suiteFragment(
    'fs',
    'CONFIG_A=m\nCONFIG_B=y\n# CONFIG_C=m\nCONFIG_D="m"\nCONFIG_E=m',
  );
  t.is(name, 'suite fs');
  t.is(text, 'CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C=m\nCONFIG_D="m"\nCONFIG_E=y');
});

test('a module is built in also where the line ends with spaces', (t) => {
  const { text } = suiteFragment('fs', 'CONFIG_A=m \nCONFIG_B=m\r\n');
  t.deepEqual(Object.fromEntries(parseConfig(text)), { A: 'y', B: 'y' });
});

test('suites that want one symbol differently are named, fragments are not', (t) => {
  const found = findDisagreements([
    { name: 'base', text: 'CONFIG_A=y\nCONFIG_B=y' },
    { name: 'kasan', text: 'CONFIG_A=n' },
    { name: 'suite one', text: 'CONFIG_A=n\nCONFIG_B=y\nCONFIG_NR=1\nCONFIG_NR=2' },
    { name: 'suite two', text: '# CONFIG_B is not set\nCONFIG_NR=2' },
    { name: 'suite three', text: 'CONFIG_B=y' },
  ]);
  t.deepEqual(found, [
    {
      symbol: 'B',
      text: 'suite one wants CONFIG_B=y, suite two wants CONFIG_B=n, suite three wants CONFIG_B=y',
    },
  ]);
});

test('every symbol that did not get its value is found, with who asked last', (t) => {
  const asked = [
    { name: 'base', text: 'CONFIG_GOT=y\nCONFIG_LOST=y\nCONFIG_CHANGED=y\n# CONFIG_OFF is not set\n' },
    {
      name: 'suite fs',
      text: 'CONFIG_NR=64\nCONFIG_CHANGED=n\nCONFIG_MODULE=m\nCONFIG_LESS=y\n# CONFIG_ON is not set',
    },
  ];
  const final = parseConfig('CONFIG_GOT=y\nCONFIG_NR=32\nCONFIG_MODULE=y\nCONFIG_LESS=m\nCONFIG_ON=y\n');
  t.deepEqual(findMissing(asked, final), [
    { symbol: 'LOST', wanted: 'y', got: 'n', fragment: 'base' },
    { symbol: 'NR', wanted: '64', got: '32', fragment: 'suite fs' },
    { symbol: 'LESS', wanted: 'y', got: 'm', fragment: 'suite fs' },
    { symbol: 'ON', wanted: 'n', got: 'y', fragment: 'suite fs' },
  ]);
});

test('the error names symbol, fragment, value and the dependency that is not met', async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, 'Kconfig'), 'config EXT4_FS\n\ttristate "ext4"\n\tdepends on BLOCK\n');
  await git(dir, ['init', '--quiet']);
  await git(dir, ['add', '.']);
  const missing = [
    { symbol: 'EXT4_FS', wanted: 'y', got: 'n', fragment: 'suite fs' },
    { symbol: 'SRV_FS', wanted: 'y', got: 'n', fragment: 'base' },
  ];
  const error = await missingError(missing, dir, parseConfig(''));
  t.is(error.code, 'config-missing');
  t.is(error.details.symbol, 'EXT4_FS SRV_FS');
  t.deepEqual(error.message.split('\n').slice(1), [
    '  CONFIG_EXT4_FS=y (suite fs) became n: depends on BLOCK',
    '  CONFIG_SRV_FS=y (base) became n: no Kconfig file defines it',
  ]);
});

async function fragments(t: ExecutionContext): Promise<string> {
  const dir = await scratch(t);
  for (const name of ['base', 'x86_64', 'lockdep', 'kasan'])
    await writeFile(join(dir, `${name}.config`), `CONFIG_${name.toUpperCase()}=y\n`);
  await writeFile(join(dir, 'README'), '');
  return dir;
}

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
