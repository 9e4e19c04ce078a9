// SPDX-License-Identifier: MIT
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Context } from '../context.ts';
import { exec } from '../util/exec.ts';
import { addressOf, findSourceLines, parseSourceLines } from './sourceLines.ts';
import { SystemMap } from './systemMap.ts';

const context = { signal: new AbortController().signal } as Context;
const map = new SystemMap(
  [
    'ffffffff81000000 T _text',
    'ffffffff81000000 T alias',
    'ffffffff81000010 t twin',
    'ffffffff81000030 t twin',
    'ffffffff81000070 D data',
    'ffffffff81000080 T _end',
    '',
  ].join('\n'),
);

test('a function is found by its name, and by its size if there are several', (t) => {
  const at = (symbol: string, size: number, isReturn = false) =>
    addressOf({ symbol, offset: 8, size, isReturn }, map);
  t.is(at('_text', 0x10), 0xffffffff81000008n);
  t.is(at('alias', 0x10), 0xffffffff81000008n);
  t.is(at('alias', 0x99), 0xffffffff81000008n);
  t.is(at('twin', 0x20), 0xffffffff81000018n);
  t.is(at('twin', 0x40, true), 0xffffffff81000037n);
  t.is(at('twin', 0x50), null);
  t.is(at('data', 0x10), null);
  t.is(at('nothing', 0x10), null);
});

test('what addr2line does not know is left out', (t) => {
  const output =
    '0x10\ninner\n./lib/../include/x.h:5 (discriminator 2)\nouter\n./lib/y.c:7\n0x20\n??\n??:0\n0x30\nf\nz.c:?\n';
  t.deepEqual(
    [...parseSourceLines(output)],
    [
      [
        0x10n,
        [
          { function: 'inner', file: 'include/x.h', line: 5 },
          { function: 'outer', file: 'lib/y.c', line: 7 },
        ],
      ],
      [0x20n, []],
      [0x30n, []],
    ],
  );
});

test('lines and inlined functions of a real program, also of debug information that lies apart', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-places-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const source = [
    'volatile int *nowhere;',
    'static inline __attribute__((always_inline)) void inner(void)',
    '{',
    '\t*nowhere = 1;',
    '}',
    '__attribute__((noinline)) void outer(void)',
    '{',
    '\tinner();',
    '}',
    'int main(void)',
    '{',
    '\touter();',
    '\treturn 0;',
    '}',
  ];
  await writeFile(join(dir, 'x.c'), source.join('\n'));
  const flags = ['-O2', '-g', '-no-pie', `-fdebug-prefix-map=${dir}=.`];
  await exec('gcc', [...flags, '-o', join(dir, 'x'), join(dir, 'x.c')], { cwd: dir });
  const apart = ['--only-keep-debug', '--compress-debug-sections'];
  await exec('objcopy', [...apart, join(dir, 'x'), join(dir, 'vmlinux.debug')]);
  const { stdout } = await exec('nm', ['--numeric-sort', '--defined-only', join(dir, 'x')]);
  await writeFile(join(dir, 'System.map'), stdout);

  const points = ['outer', 'nothing'].map((symbol) => ({ symbol, offset: 0, size: 1, isReturn: false }));
  const [places, nothing] = await findSourceLines({ dir }, points, context);
  t.is(places!.at(-1)!.function, 'outer');
  t.true(places!.every(({ file }) => file === 'x.c'));
  t.deepEqual(nothing, []);

  await rm(join(dir, 'vmlinux.debug'));
  t.deepEqual(await findSourceLines({ dir }, points, context), [[], []]);
});
