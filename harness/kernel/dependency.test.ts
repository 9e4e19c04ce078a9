// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { git } from '../util/git.ts';
import { dependencies, explainMissing } from './dependency.ts';
import { parseConfig } from './dotConfig.ts';

// As fs/ext4/Kconfig, fs/Kconfig and lib/Kconfig write things.
const kconfig = `# SPDX-License-Identifier: GPL-2.0-only
if BLOCK

menuconfig EXT4_FS
	tristate "The Extended 4 (ext4) filesystem"
	depends on INODES && \\
		   (CRC16 || !MODULES)
	select JBD2
	help
	  This is the next generation of the ext3 filesystem.

if EXT4_FS = y # the rest

config EXT4_DEBUG
	bool "Ext4 debugging support"
	depends on !EMBEDDED
	# a comment
	depends on DEBUG_FS

endif # EXT4_FS
endif # BLOCK

config EXT4
	bool "A name that begins alike"
	depends on OTHER

comment "ext4 needs BLOCK"
	depends on UNRELATED

config CRC16
	tristate
`;

test('the dependencies of a symbol are its own lines and the blocks around it', (t) => {
  t.deepEqual(dependencies(kconfig, { symbol: 'EXT4_FS' }), [
    'BLOCK',
    'INODES &&  \t\t   (CRC16 || !MODULES)',
  ]);
  t.deepEqual(dependencies(kconfig, { symbol: 'EXT4_DEBUG' }), [
    'BLOCK',
    'EXT4_FS = y # the rest',
    '!EMBEDDED',
    'DEBUG_FS',
  ]);
  t.deepEqual(dependencies(kconfig, { symbol: 'EXT4' }), ['OTHER']);
  t.deepEqual(dependencies(kconfig, { symbol: 'ABSENT' }), []);
});

test('a symbol without a prompt can only be selected', (t) => {
  t.regex(dependencies(kconfig, { symbol: 'CRC16' })[0] ?? '', /no prompt/);
});

test('words of a help text are no dependency', (t) => {
  const text =
    'config A\n\tbool "a"\n\tdepends on B\n\thelp\n\t  What you get\n\t  depends on the hardware.\n';
  t.deepEqual(dependencies(text, { symbol: 'A' }), ['B']);
});

test("a menu's dependency is one of what is in it", (t) => {
  const text = 'menu "Drivers"\n\tdepends on PCI\n\nconfig A\n\tbool "a"\n\nendmenu\nconfig B\n\tbool "b"\n';
  t.deepEqual(dependencies(text, { symbol: 'A' }), ['PCI']);
  t.deepEqual(dependencies(text, { symbol: 'B' }), []);
});

test("a prompt's condition is a dependency of what the user sets", (t) => {
  t.deepEqual(dependencies('config A\n\tbool "a" if EXPERT\n\tdefault y\n', { symbol: 'A' }), ['EXPERT']);
});

const weighed = [
  ['A', 'CONFIG_A=y', true],
  ['A', 'CONFIG_A=m', true],
  ['A', '', false],
  ['A', '# CONFIG_A is not set', false],
  ['!A', '', true],
  ['!A', 'CONFIG_A=y', false],
  ['!(A && B)', 'CONFIG_A=y', true],
  ['A && B', 'CONFIG_A=y', false],
  ['A || B', 'CONFIG_B=y', true],
  ['A || B && C', 'CONFIG_A=y', true],
  ['(A || B) && C', 'CONFIG_A=y', false],
  ['A=y', 'CONFIG_A=m', false],
  ['A = n', '', true],
  ['A!=y', 'CONFIG_A=m', true],
  ['NR = 4', 'CONFIG_NR=4', true],
  ['TEXT = "x"', 'CONFIG_TEXT="y"', false],
  ['y', '', true],
  ['n', '', false],
  ['64BIT && A', 'CONFIG_A=y\nCONFIG_64BIT=y', true],
  ['!A # because', 'CONFIG_A=y', false],
  ['$(cc-option,-fplugin) && GCC_VERSION >= 120000', '', true], // can't be read: counts as met
] as const;

/** X0, X1 ... have those conditions, in one repository. */
let conditions: string;
test.before(async () => {
  const texts = weighed.map(
    ([condition], index) => `config X${index}\n\tbool "x"\n\tdepends on ${condition}\n`,
  );
  conditions = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  await fill(conditions, { Kconfig: texts.join('\n') });
});
test.after.always(() => rm(conditions, { recursive: true, force: true }));

for (const [index, [condition, config, isMet]] of weighed.entries())
  test(`${condition} is ${isMet ? 'met' : 'not met'} with "${config.replaceAll('\n', ' ')}"`, async (t) => {
    const why = await explainMissing(`X${index}`, conditions, parseConfig(config));
    t.is(why, isMet ? `its conditions (${condition}) look met` : `depends on ${condition}`);
  });

test('a symbol whose name begins with a digit is weighed like any other', async (t) => {
  const dir = await tree(t, { Kconfig: 'config X\n\tbool "x"\n\tdepends on !64BIT\n' });
  t.is(await explainMissing('X', dir, parseConfig('CONFIG_64BIT=y')), 'depends on !64BIT');
});

test('only what is not met is told', async (t) => {
  const dir = await tree(t, { 'fs/ext4/Kconfig': kconfig });
  const why = await explainMissing('EXT4_DEBUG', dir, parseConfig('CONFIG_BLOCK=y\nCONFIG_EXT4_FS=y'));
  t.is(why, 'depends on DEBUG_FS');
});

test('every Kconfig file of this architecture is searched, those of others are not', async (t) => {
  const dir = await tree(t, {
    'arch/x86/Kconfig': 'config X\n\tbool "x"\n\tdepends on HERE\n',
    'arch/arm/Kconfig': 'config X\n\tbool "x"\n\tdepends on THERE\nconfig ARM_ONLY\n\tbool "y"\n',
    'arch/Kconfig': 'config SHARED\n\tbool "x"\n',
    'lib/Kconfig.debug': 'config DEBUGGED\n\tbool "x"\n\tdepends on KERNEL\n',
  });
  const explain = (symbol: string) => explainMissing(symbol, dir, parseConfig(''));
  t.is(await explain('X'), 'depends on HERE');
  t.is(await explain('ARM_ONLY'), 'no Kconfig file defines it');
  t.is(await explain('SHARED'), 'nothing names why');
  t.is(await explain('DEBUGGED'), 'depends on KERNEL');
  t.is(await explain('ABSENT'), 'no Kconfig file defines it');
});

async function tree(t: ExecutionContext, files: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  await fill(dir, files);
  return dir;
}

/** Files in a repository, as git grep wants them. */
async function fill(dir: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
  await git(dir, ['init', '--quiet', '--template=']);
  await git(dir, ['add', '.']);
}

test('what stands around the line that sources a file counts for all in it', (t) => {
  const parent =
    'menuconfig NET_FS\n\tbool "Network file systems"\n\nif NET_FS\n\nsource "fs/nfsd/Kconfig"\n\nendif\nsource "fs/x/Kconfig"\n';
  t.deepEqual(dependencies(parent, { source: 'fs/nfsd/Kconfig' }), ['NET_FS']);
  t.deepEqual(dependencies(parent, { source: 'fs/x/Kconfig' }), []);
});
