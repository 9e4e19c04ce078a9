// SPDX-License-Identifier: MIT
import test from 'ava';
import { parseConfig } from './dotConfig.ts';

test('values are read as they are written; what stands twice has its last value', (t) => {
  const symbols = parseConfig(
    [
      '# a comment',
      'CONFIG_A=y',
      'CONFIG_B=m\r',
      '# CONFIG_C is not set',
      '  CONFIG_NR=64  ',
      'CONFIG_HEX=0xffff',
      'CONFIG_TEXT="a=b # c"',
      'CONFIG_EMPTY=""',
      'CONFIG_64BIT=y',
      'CONFIG_A=n',
      'CONFIG_C=y',
      '#CONFIG_OFF=y',
      '# CONFIG_D=y',
      'NOT_CONFIG=y',
    ].join('\n'),
  );
  t.deepEqual(Object.fromEntries(symbols), {
    A: 'n',
    B: 'm',
    C: 'y',
    NR: '64',
    HEX: '0xffff',
    TEXT: '"a=b # c"',
    EMPTY: '""',
    '64BIT': 'y',
  });
});
