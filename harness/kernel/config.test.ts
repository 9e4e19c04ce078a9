// SPDX-License-Identifier: MIT
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { KilnError } from '../errors.ts';
import { git } from '../util/git.ts';
import {
  configNotes,
  findDisagreements,
  findOverruled,
  findReasons,
  findUnmet,
  listFragments,
  readBootWords,
  readFragments,
  readSettings,
  readSuiteFragment,
  requireConfig,
} from './config.ts';
import { parseConfig } from './dotConfig.ts';
import { asLine, type Fragment, parseFragment } from './fragment.ts';
import { checkConfig } from './kernel.ts';

test('every kernel has base and x86_64; what is asked for follows, each once', async (t) => {
  const dir = await fragments(t);
  const names = async (asked: string[]) => (await readFragments([dir], asked)).map(({ name }) => name);
  t.deepEqual(await names([]), ['base', 'x86_64']);
  t.deepEqual(await names(['lockdep', 'kasan', 'lockdep']), ['base', 'x86_64', 'lockdep', 'kasan']);
  t.is((await readFragments([dir], ['kasan']))[2]?.wishes.map(asLine).join(), 'CONFIG_KASAN=y');
});

test('those that every kernel has are not listed', async (t) => {
  t.deepEqual(await listFragments([await fragments(t)]), ['kasan', 'lockdep']);
});

test('an unknown fragment is a mistake on the command line, answered with those there are', async (t) => {
  const dir = await fragments(t);
  for (const name of ['kasn', 'base', '']) {
    const error = await t.throwsAsync<KilnError>(readFragments([dir], [name]), { instanceOf: KilnError });
    t.is(error.code, 'usage');
    t.regex(error.hint, /known: kasan, lockdep/);
  }
});

test("a fragment is also found by its path, and a project's own comes before Kiln's", async (t) => {
  const [dir, own] = [await fragments(t), await scratch(t)];
  await writeFile(join(own, 'kasan.config'), 'CONFIG_OWN=y\n');
  await writeFile(join(own, 'kasan.cmdline'), '# a comment\nown=1\n');
  const read = async (name: string) => (await readFragments([own, dir], [name]))[2]!.wishes.map(asLine);
  t.deepEqual(await read('kasan'), ['CONFIG_OWN=y']);
  t.deepEqual(await read(join(dir, 'kasan.config')), ['CONFIG_KASAN=y']);
  t.is(await readBootWords([own, dir], ['kasan', 'lockdep']), 'own=1');
  t.is(await readBootWords([dir], [join(own, 'kasan.config')]), 'own=1');
  const error = await t.throwsAsync<KilnError>(readFragments([dir], [join(own, 'none.config')]));
  t.is(error.code, 'bad-input');
});

test("a line of the user's that is no config line is an error with file and line; a comment behind a value is cut", async (t) => {
  const dir = await fragments(t);
  const file = join(dir, 'mine.config');
  await writeFile(file, '# what\nCONFIG_A = y\nCONFIG_B=y # why\nCONFIG_TUN\nCONFIG_C=Y\n');
  const error = await t.throwsAsync<KilnError>(readFragments([dir], ['mine']));
  t.is(error.code, 'bad-input');
  t.deepEqual(error.message.split('\n').slice(1), [
    `  ${file}:2: CONFIG_A = y`,
    `  ${file}:4: CONFIG_TUN`,
    `  ${file}:5: CONFIG_C=Y`,
  ]);
});

test("in a suite of a kernel's tree such a line is a warning", (t) => {
  const config = 'CONFIG_A=m\nCONFIG_TUN\n';
  const inTree = '/src/tools/testing/selftests/rdma';
  const { fragment, warning } = readSuiteFragment({ name: 'rdma', dir: inTree, config });
  t.deepEqual([fragment.name, fragment.wishes.map(asLine)], ['suite rdma', ['CONFIG_A=y']]);
  t.is(warning, `${inTree}/config: no config line, and ignored: line 2 (CONFIG_TUN)`);
  const error = t.throws<KilnError>(() => readSuiteFragment({ name: 'own', dir: '/own', config }));
  t.is(error.code, 'bad-input');
  t.is(readSuiteFragment({ name: 'own', dir: '/own', config: '' }).warning, null);
});

test('settings of the command line are config lines, with or without CONFIG_', (t) => {
  t.deepEqual(readSettings(['KSM=y', 'CONFIG_NR_CPUS=8', 'CMDLINE="a b"', 'NUMA=n']).wishes.map(asLine), [
    'CONFIG_KSM=y',
    'CONFIG_NR_CPUS=8',
    'CONFIG_CMDLINE="a b"',
    '# CONFIG_NUMA is not set',
  ]);
  for (const wrong of ['KSM', 'KSM=Y', 'KSM = y', 'A=y\nB=y', '# CONFIG_A is not set', ''])
    t.is(t.throws<KilnError>(() => readSettings([wrong]), undefined, wrong).code, 'usage');
});

test('suites that want one symbol differently are named, fragments are not', (t) => {
  const found = findDisagreements([
    fragment('base', 'CONFIG_A=y\nCONFIG_B=y'),
    fragment('kasan', 'CONFIG_A=n'),
    fragment('suite one', 'CONFIG_A=n\nCONFIG_B=y\nCONFIG_NR=1\nCONFIG_NR=2'),
    fragment('suite two', '# CONFIG_B is not set\nCONFIG_NR=2'),
    fragment('suite three', 'CONFIG_B=y'),
  ]);
  t.deepEqual(found, [
    {
      symbol: 'B',
      text: 'suite one wants CONFIG_B=y, suite two wants # CONFIG_B is not set, suite three wants CONFIG_B=y',
    },
  ]);
});

test('what the command line takes from a suite is said', (t) => {
  const suites = [fragment('suite one', 'CONFIG_NUMA=y\nCONFIG_A=y'), fragment('suite two', 'CONFIG_B=y')];
  t.deepEqual(findOverruled(suites, [fragment('kasan', 'CONFIG_B=y'), readSettings(['NUMA=n'])]), [
    '# CONFIG_NUMA is not set (--set) takes the place of CONFIG_NUMA=y (suite one)',
  ]);
});

test('every symbol that did not get its value is found, with who asked last', (t) => {
  const asked = [
    fragment(
      'base',
      'CONFIG_GOT=y\nCONFIG_LOST=y\nCONFIG_CHANGED=y\n# CONFIG_OFF is not set\n# CONFIG_ZERO is not set',
    ),
    fragment(
      'suite fs',
      'CONFIG_NR=64\nCONFIG_CHANGED=n\nCONFIG_MODULE=m\nCONFIG_LESS=y\n# CONFIG_ON is not set',
    ),
  ];
  const final = parseConfig(
    'CONFIG_GOT=y\nCONFIG_NR=32\nCONFIG_MODULE=y\nCONFIG_LESS=m\nCONFIG_ON=y\nCONFIG_ZERO=0\n',
  );
  t.deepEqual(
    findUnmet(asked, final).map(({ symbol, value, got, fragment: by }) => [symbol, value, got, by]),
    [
      ['LOST', 'y', 'n', 'base'],
      ['NR', '64', '32', 'suite fs'],
      ['LESS', 'y', 'm', 'suite fs'],
      ['ON', 'n', 'y', 'suite fs'],
    ],
  );
});

test('of alternatives one is enough; what is preferred is noted; the rest is an error', async (t) => {
  const text = `# kiln: preferred
CONFIG_NICE=y
# kiln: one of
CONFIG_BIG=y
CONFIG_SMALL=y

CONFIG_ALSO=y
# kiln: needed
# kiln: one of
CONFIG_LAZY=y
CONFIG_VOLUNTARY=y

CONFIG_MUST=y
`;
  const asked = [fragment('base', text)];
  const judge = (config: string) => {
    const unmet = findUnmet(asked, parseConfig(config));
    requireConfig(unmet, {});
    return configNotes(unmet, {}, asked);
  };
  t.deepEqual(judge('CONFIG_MUST=y\nCONFIG_LAZY=y'), [
    'cannot be set in this tree: CONFIG_NICE=y, CONFIG_BIG=y, CONFIG_SMALL=y, CONFIG_ALSO=y',
  ]);
  t.deepEqual(judge('CONFIG_MUST=y\nCONFIG_VOLUNTARY=y\nCONFIG_NICE=y\nCONFIG_ALSO=y\nCONFIG_SMALL=y'), []);
  const symbols = (config: string) => t.throws<KilnError>(() => judge(config)).details.symbol;
  t.is(symbols('CONFIG_LAZY=y'), 'MUST');
  t.is(symbols('CONFIG_MUST=y'), 'LAZY VOLUNTARY');
});

test('a preferred line that a suite of the kernel sets otherwise is not missed by those who use this kernel', (t) => {
  const base = fragment('base', '# kiln: preferred\n# CONFIG_NODES is not set\nCONFIG_NICE=y\n');
  const suite = fragment('suite', 'CONFIG_NODES=y\n');
  const config = parseConfig('CONFIG_NODES=y');
  const notes = (all: Fragment[]) => checkConfig({ config, reasons: {} }, [base], all);
  t.deepEqual(notes([base, suite]), ['cannot be set in this tree: CONFIG_NICE=y']);
  t.deepEqual(notes([base]), ['cannot be set in this tree: # CONFIG_NODES is not set, CONFIG_NICE=y']);
});

test("in a choice the last line wins, and this is said; it is an error if it can't", async (t) => {
  const dir = await kconfig(
    t,
    `choice
	prompt "Ticks"
config HZ_250
	bool "250"
	config HZ_1000
		bool "1000"
		depends on FAST
endchoice
`,
  );
  const asked = [
    fragment('base', '# kiln: preferred\nCONFIG_HZ_250=y'),
    fragment('suite fs', 'CONFIG_HZ_1000=y'),
  ];
  const judge = async (config: string) => {
    const final = parseConfig(config);
    const unmet = findUnmet(asked, final);
    const reasons = await findReasons(unmet, asked, dir, final);
    requireConfig(unmet, reasons);
    return configNotes(unmet, reasons, asked);
  };
  t.deepEqual(await judge('CONFIG_HZ_1000=y'), [
    'CONFIG_HZ_250=y (base) gives way to CONFIG_HZ_1000=y (suite fs)',
  ]);
  const error = await t.throwsAsync<KilnError>(judge('CONFIG_HZ_250=y'));
  t.regex(error.message, /CONFIG_HZ_1000=y \(suite fs, line 1\) became n: depends on FAST$/);
});

test('the error names symbol, fragment, value and the dependency that is not met', async (t) => {
  const dir = await kconfig(
    t,
    'config EXT4_FS\n\ttristate "ext4"\n\tdepends on BLOCK\nconfig BTF\n\tbool "BTF"\n\tdepends on PAHOLE_VERSION >= 116\n',
  );
  const asked = [
    fragment('base', 'CONFIG_SRV_FS=y'),
    fragment('suite fs', '\nCONFIG_EXT4_FS=y\nCONFIG_BTF=y'),
  ];
  const final = parseConfig('CONFIG_PAHOLE_VERSION=0');
  const unmet = findUnmet(asked, final);
  const reasons = await findReasons(unmet, asked, dir, final);
  const error = t.throws<KilnError>(() => requireConfig(unmet, reasons));
  t.is(error.code, 'config-missing');
  t.is(error.details.symbol, 'SRV_FS EXT4_FS BTF');
  t.deepEqual(error.message.split('\n').slice(1), [
    '  CONFIG_SRV_FS=y (base, line 1) became n: no Kconfig file defines it',
    '  CONFIG_EXT4_FS=y (suite fs, line 2) became n: depends on BLOCK',
    '  CONFIG_BTF=y (suite fs, line 3) became n: depends on PAHOLE_VERSION >= 116',
  ]);
  t.regex(error.hint, /^install pahole; /);
});

test('of a whole configuration, the lines that a tree has otherwise are named, but not what follows from others', async (t) => {
  const dir = await kconfig(
    t,
    'config A\n\tbool "A"\n\tdepends on B\nconfig CC_VERSION\n\tint\n\tdefault 3\nconfig OLD\n\tdef_bool A\n',
  );
  const { fragment: whole } = parseFragment(
    '.config',
    'CONFIG_A=y\nCONFIG_CC_VERSION=2\nCONFIG_OLD=y\nCONFIG_GONE=y\n# CONFIG_NEVER is not set\n',
    { need: 'optional' },
  );
  const final = parseConfig('CONFIG_CC_VERSION=3');
  const unmet = findUnmet([whole], final);
  t.notThrows(() => requireConfig(unmet, {}));
  t.deepEqual(configNotes(unmet, await findReasons(unmet, [whole], dir, final), [whole]), [
    '1 line of .config did not get their value: CONFIG_A=y',
    '1 line of .config name symbols that this tree does not define: CONFIG_GONE=y',
  ]);
});

test('a symbol that became a module names the modules that it depends on', async (t) => {
  const dir = await kconfig(t, 'config NFT\n\ttristate "NFT"\n\tdepends on NET && TABLES\n');
  const asked = [fragment('--set', 'CONFIG_NFT=y')];
  const final = parseConfig('CONFIG_NET=y\nCONFIG_TABLES=m\nCONFIG_NFT=m');
  const unmet = findUnmet(asked, final);
  const reasons = await findReasons(unmet, asked, dir, final);
  const error = t.throws<KilnError>(() => requireConfig(unmet, reasons));
  t.regex(error.message, /CONFIG_NFT=y \(--set, line 1\) became m: depends on TABLES, =m here$/);
});

function fragment(name: string, text: string): Fragment {
  return parseFragment(name, text).fragment;
}

/** Kconfig files in a repository. */
async function kconfig(t: ExecutionContext, text: string): Promise<string> {
  const dir = await scratch(t);
  await writeFile(join(dir, 'Kconfig'), text);
  await git(dir, ['init', '--quiet']);
  await git(dir, ['add', '.']);
  return dir;
}

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
