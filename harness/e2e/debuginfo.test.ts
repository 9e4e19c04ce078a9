// SPDX-License-Identifier: MIT
// The files of a build with debug information, and the source lines found in them.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { findSourceLines } from '../kernel/sourceLines.ts';
import { chooseSandbox } from '../sandbox/sandbox.ts';
import type { SplatResult } from '../schema.ts';
import { Decoder } from '../splat/decode.ts';
import { quietContext } from '../testing/context.ts';
import type { Tree } from '../tree/tree.ts';
import { exec } from '../util/exec.ts';
import { type Toy, toy } from './toy.ts';

const source = [
  'volatile int *nowhere;',
  'static inline __attribute__((always_inline)) void inner(void)',
  '{',
  '\t*nowhere = 1;',
  '}',
  'void outer(void)',
  '{',
  '\tinner();',
  '}',
].join('\n');

/** Adds debug information and symbols, and compiles sources by their absolute path, as the kernel's Makefile does. */
const makefile = (old: string) =>
  old
    .replace('cp $(KCONFIG_ALLCONFIG) $(O)/.config', '$&\n\techo CONFIG_DEBUG_INFO=y >> $(O)/.config')
    .replaceAll('$(CC) -O2', '$(CC) -O2 -g $(KCFLAGS)')
    .replaceAll('-c $<', '-c $(abspath $<)')
    .replace('echo > $(O)/System.map', 'nm -n $(O)/vmlinux > $(O)/System.map');

async function treeOf({ cache, source: repository }: Toy): Promise<Tree> {
  const dir = join(cache, 'kiln', 'trees');
  const [name] = await readdir(dir);
  return { ...JSON.parse(await readFile(join(dir, name!), 'utf8')), gitDir: repository };
}

test('a splat has the source lines of its frames and inlined functions, and their patch', async (t) => {
  const made = await toy(t);
  const series = await made.series({ Makefile: makefile, 'init/one.c': source });
  const { exitCode, stdout, stderr } = await made.build([...series, '--config', 'debuginfo']);
  t.is(exitCode, 0, stderr);
  const dir = stdout.trim();

  const sections = async (file: string) => (await exec('objdump', ['-h', join(dir, file)])).stdout;
  t.notRegex(await sections('vmlinux'), /debug_info/);
  t.regex(await sections('vmlinux.debug'), /debug_info/);
  const dump = await exec('readelf', ['--debug-dump=info,line', join(dir, 'vmlinux.debug')]);
  t.regex(dump.stdout, /init\/one\.c/);
  t.false(dump.stdout.includes(made.dir), 'no path of this machine is in it');

  const { signal } = new AbortController();
  const sandbox = await chooseSandbox('auto', true, signal);
  const notes: string[] = [];
  const note = (_: string, text: string) => void notes.push(text);
  const context = quietContext(join(made.cache, 'kiln'), { sandbox, note });
  const lines = ['BUG: x', 'RIP: 0010:outer+0x7/0x1000', 'Call Trace:', ' not_there+0x1/0x2'];
  const splat: SplatResult = {
    title: 'x',
    kind: 'oops',
    phase: 'test',
    task: null,
    torn: false,
    lines,
  };
  const tree = await treeOf(made);
  await new Decoder({ dir }, tree, context).decode([splat]);
  t.deepEqual(notes, []);
  const patch = tree.patches[0]!.file;
  const excerpt = splat.frames![0]!.places[0]!.source!;
  t.is(excerpt.lines[4 - excerpt.first], '\t*nowhere = 1;');
  t.is(excerpt.patches?.[4 - excerpt.first], patch);
  const frames = splat.frames!.map(({ at, places }) => ({
    at,
    places: places.map(({ source: _, ...place }) => place),
  }));
  t.deepEqual(frames, [
    {
      at: 'outer+0x7/0x1000',
      places: [
        { function: 'inner', file: 'init/one.c', line: 4, patch },
        { function: 'outer', file: 'init/one.c', line: 8, patch },
      ],
    },
    { at: 'not_there+0x1/0x2', places: [] },
  ]);
});

test('without debug information nothing is decoded, and there is no note', async (t) => {
  const made = await toy(t);
  const { exitCode, stdout, stderr } = await made.build();
  t.is(exitCode, 0, stderr);
  const dir = stdout.trim();
  t.false((await readdir(dir)).includes('vmlinux.debug'));
  const point = { symbol: 'one', offset: 0, size: 1, isReturn: false };
  t.deepEqual(await findSourceLines({ dir }, [point], { signal: new AbortController().signal }), [[]]);
});
