// SPDX-License-Identifier: MIT
import test from 'ava';
import { asKconfigText, lastWishes, parseFragment } from './fragment.ts';

test('lines, comments behind values, modules and what is no config line', (t) => {
  const text = `# why
CONFIG_A=y
  CONFIG_B=m   # as a module\r
CONFIG_NR=-1\t# no tab counts
CONFIG_HEX=0x1F
CONFIG_S="a # b \\" c" # text
# CONFIG_OFF is not set
CONFIG_TMPFS = y
CONFIG_NUMA: y
KSM=y
CONFIG_Y=Y
CONFIG_E=
make:kselftest-merge
# kiln: maybe
`;
  const { fragment, strays } = parseFragment('mine', text);
  t.deepEqual(
    fragment.wishes.map(({ symbol, value, line }) => [symbol, value, line]),
    [
      ['A', 'y', 2],
      ['B', 'y', 3],
      ['NR', '-1', 4],
      ['HEX', '0x1F', 5],
      ['S', '"a # b \\" c"', 6],
      ['OFF', 'n', 7],
    ],
  );
  t.deepEqual(
    strays.map(({ line }) => line),
    [8, 9, 10, 11, 12, 13, 14],
  );
  t.is(parseFragment('whole', 'CONFIG_B=m', { keepsModules: true }).fragment.wishes[0]!.value, 'm');
});

test('needed and preferred hold to the end, alternatives up to an empty line', (t) => {
  const text = `CONFIG_A=y

# kiln: preferred
CONFIG_B=y

CONFIG_C=y
# kiln: one of
# which
CONFIG_D=y
CONFIG_E=y

CONFIG_F=y
# kiln: one of
CONFIG_G=y
# kiln: needed
CONFIG_H=y
`;
  const { wishes } = parseFragment('base', text).fragment;
  t.deepEqual(
    wishes.map(({ symbol, need, isAlternative }) => `${symbol} ${need}${isAlternative ? ', or' : ''}`),
    [
      'A needed',
      'B preferred',
      'C preferred',
      'D preferred, or',
      'E preferred, or',
      'F preferred',
      'G preferred, or',
      'H needed',
    ],
  );
  const blocks = wishes.filter(({ isAlternative }) => isAlternative).map(({ block }) => block);
  t.deepEqual(blocks, [7, 7, 13]);
});

test('for Kconfig the last line of a symbol counts, and the first of alternatives is the last', (t) => {
  const base = parseFragment(
    'base',
    'CONFIG_A=y\nCONFIG_X=1\n# kiln: one of\nCONFIG_V=y\nCONFIG_L=y',
  ).fragment;
  const other = parseFragment('other', 'CONFIG_X=2\n# kiln: preferred\nCONFIG_OLD=y').fragment;
  t.deepEqual(
    lastWishes([base, other]).map(({ symbol, value, fragment }) => `${symbol}=${value} ${fragment}`),
    ['A=y base', 'V=y base', 'L=y base', 'X=2 other', 'OLD=y other'],
  );
  const text = (...defined: string[]) => asKconfigText([base, other], new Set(defined));
  t.is(text('A', 'X', 'V', 'L', 'OLD'), 'CONFIG_A=y\nCONFIG_L=y\nCONFIG_V=y\nCONFIG_X=2\nCONFIG_OLD=y\n');
  // What is needed stays, so that Kconfig or the comparison names it.
  t.is(text('L'), 'CONFIG_A=y\nCONFIG_L=y\nCONFIG_X=2\n');
});
