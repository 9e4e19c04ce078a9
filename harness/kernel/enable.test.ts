// SPDX-License-Identifier: MIT
import test from 'ava';
import { Enabler } from './enable.ts';
import { parseExpression } from './expression.ts';
import { readKconfig } from './kconfig.ts';
import { valuesOf } from './kconfigValues.ts';

const kconfig = readKconfig(
  new Map(
    Object.entries({
      Kconfig: `mainmenu "Linux/$(ARCH)"
source "arch/$(SRCARCH)/Kconfig"
source "drivers/Kconfig"

config COMPILE_TEST
	bool "Compile also drivers which will not load"

config EXPERT
	bool "Expert"

choice
	prompt "Timer"
	default HZ_100
config HZ_100
	bool "100"
config HZ_250
	bool "250"
endchoice

config HZ
	int
	default 100 if HZ_100
	default 250
`,
      'arch/x86/Kconfig': 'config X86\n\tdef_bool y\n\tselect HAS_PORTS\n\nconfig HAS_PORTS\n\tbool\n',
      'arch/arm64/Kconfig': 'config ARM64\n\tdef_bool y\n\nconfig X86\n\tbool "not this one"\n',
      'drivers/Kconfig': `menuconfig BUS
	tristate "A bus"
	depends on HAS_PORTS
	help
	  depends on NOTHING
	  config NOT_THIS

if BUS

config CHIP
	tristate "A chip"
	depends on FAR || NEAR
	depends on !LEGACY
	select CORE

config HELPER
	tristate "Selects CORE, too"
	depends on BUS_A && BUS_B
	select CORE

endif

config BUS_A
	bool "a"
config BUS_B
	bool "b"

config CORE
	tristate

config FAR
	bool "Far"
	depends on STEP1
config STEP1
	bool "1"
	depends on STEP2
config STEP2
	bool "2"
config NEAR
	bool "Near"
config LEGACY
	bool "Legacy"

config FOREIGN
	tristate "Of another machine"
	depends on ARM64 || COMPILE_TEST

config ONLY_ARM
	bool "Only there"
	depends on ARM64

config MODULAR
	tristate "Only a module"
	depends on m

config QUICK
	bool "Quick timer"
	depends on HZ > 200

config LOOP_A
	bool "a"
	depends on LOOP_B
config LOOP_B
	bool "b"
	depends on LOOP_A

config HIDDEN
	bool "Hidden" if EXPERT
	depends on NEAR if FAR

config DERIVED
	def_bool y
	depends on NEAR && $(success,true)

menu "Shown only to some"
	visible if EXPERT
config SHY
	bool "shy"
endmenu
`,
    }),
  ),
);

function enabler(base: Record<string, string> = {}, defaults = false): Enabler {
  return new Enabler(kconfig, new Map(Object.entries(base)), defaults);
}

/** What is set so that the condition holds, or why it can't. */
function enable(condition: string, base: Record<string, string> = {}): string {
  const one = enabler(base);
  return one.enable(parseExpression(condition)) ?? [...one.added].map(([name]) => name).join(' ');
}

test('an option comes with what it depends on, and the shortest way to it', (t) => {
  t.is(enable('CHIP'), 'BUS NEAR CHIP');
});

test('what holds already is not set', (t) => {
  t.is(enable('CHIP', { BUS: 'y', FAR: 'y', STEP1: 'y', STEP2: 'y' }), 'CHIP');
  t.is(enable('X86 && HAS_PORTS'), '');
});

test('an option without a prompt is turned on by one that selects it, the cheapest', (t) => {
  t.is(enable('CORE'), 'BUS NEAR CHIP');
  t.is(enable('CORE', { BUS: 'y', BUS_A: 'y', BUS_B: 'y' }), 'HELPER');
});

test('nothing is set against the configuration', (t) => {
  t.regex(enable('CHIP', { LEGACY: 'y' }), /^it needs LEGACY off, which this configuration has on$/);
  t.regex(enable('CHIP', { BUS: 'n' }), /^this configuration has BUS off$/);
  t.regex(enable('HZ_100', { HZ_250: 'y' }), /^HZ_100 excludes HZ_250/);
});

test('options that were set before count as the configuration', (t) => {
  const one = enabler();
  t.is(one.enable(parseExpression('LEGACY')), null);
  t.regex(one.enable(parseExpression('CHIP')) ?? '', /needs LEGACY off/);
  t.deepEqual([...one.added.keys()], ['LEGACY']);
});

test('COMPILE_TEST is the last resort, and is told', (t) => {
  t.is(enable('FOREIGN || CHIP'), 'BUS NEAR CHIP');
  const one = enabler();
  t.regex(one.enable(parseExpression('FOREIGN'), false) ?? '', /^ARM64 is for another architecture/);
  t.is(one.added.size, 0);
  t.is(one.enable(parseExpression('FOREIGN')), null);
  t.true(one.needsCompileTest(parseExpression('FOREIGN')));
  t.is(one.enable(parseExpression('CHIP')), null);
  t.false(one.needsCompileTest(parseExpression('CHIP')));
});

test('reasons name the other architecture, a symbol that is nowhere, and a module', (t) => {
  t.is(enable('ONLY_ARM'), 'ARM64 is for another architecture (arch/arm64)');
  t.is(enable('NOWHERE'), 'no Kconfig file defines NOWHERE');
  t.regex(enable('MODULAR'), /only be a module/);
  t.regex(enable('LOOP_A'), /depends on itself/);
});

test('a number that can only be reached by a choice is a reason', (t) => {
  t.is(enable('QUICK'), 'it needs HZ>200');
  t.is(enable('QUICK', { HZ_250: 'y' }), 'QUICK');
});

test('a prompt that is shown to some needs what shows it', (t) => {
  t.is(enable('HIDDEN'), 'EXPERT HIDDEN');
  t.is(enable('SHY'), 'EXPERT SHY');
});

test('what only a program would tell counts as met', (t) => {
  t.is(enable('DERIVED'), 'NEAR');
});

test('a dependency under a condition holds without it', (t) => {
  const lookUp = valuesOf(
    kconfig,
    new Map([
      ['EXPERT', 'y'],
      ['FAR', 'y'],
      ['STEP1', 'y'],
      ['STEP2', 'y'],
      ['HIDDEN', 'y'],
    ]),
    false,
  );
  t.is(lookUp('FAR'), 'y');
  t.is(lookUp('HIDDEN'), 'n');
});

test('values are those of allnoconfig: choices have their default, the rest is off', (t) => {
  const lookUp = valuesOf(kconfig, new Map(), false);
  t.deepEqual(['X86', 'HAS_PORTS', 'BUS', 'HZ_100', 'HZ_250', 'HZ'].map(lookUp), [
    'y',
    'y',
    'n',
    'y',
    'n',
    '100',
  ]);
  t.is(lookUp('NOT_THIS'), 'n');
  t.false(kconfig.symbols.has('NOT_THIS'));
});

test('with defaults an option that nobody set can be turned off', (t) => {
  const shown = readKconfig(
    new Map([['Kconfig', 'config A\n\tbool "a"\n\tdefault y\nconfig B\n\tbool "b"\n\tdepends on !A\n']]),
  );
  const one = new Enabler(shown, new Map(), true);
  t.is(one.enable(parseExpression('B')), null);
  t.deepEqual(
    [...one.added],
    [
      ['A', 'n'],
      ['B', 'y'],
    ],
  );
  t.regex(new Enabler(shown, new Map([['A', 'y']]), true).enable(parseExpression('B')) ?? '', /needs A off/);
});
