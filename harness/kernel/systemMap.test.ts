// SPDX-License-Identifier: MIT
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { readSystemMap, SystemMap } from './systemMap.ts';

const text = [
  '0000000000000000 A __per_cpu_start',
  'ffffffff80fffff0 T before_text',
  'ffffffff81000000 T _stext',
  'ffffffff81000000 T first',
  'ffffffff81000010 t twin',
  'ffffffff81000030 t twin',
  'ffffffff81000070 D no_function',
  'ffffffff81000080 W last',
  'ffffffff81000090 T _etext',
  'ffffffff82000000 D data',
  '',
].join('\n');
const map = new SystemMap(text);

test('functions have a name and a size, up to the next symbol of any type', (t) => {
  const sizes = (name: string) => map.functions(name).map(({ size }) => size);
  t.deepEqual(sizes('first'), [0x10]);
  t.deepEqual(sizes('_stext'), [0x10]);
  t.deepEqual(sizes('twin'), [0x20, 0x40]);
  t.deepEqual(sizes('last'), [0x10]);
  t.deepEqual(sizes('no_function'), []);
  t.deepEqual(sizes('nothing'), []);
});

test('an address in a function has its name, the first of several', (t) => {
  t.is(map.nameOf(0xffff_ffff_8100_0000n), '_stext+0x0/0x10');
  t.is(map.nameOf(0xffff_ffff_8100_002fn), 'twin+0x1f/0x20');
  t.is(map.nameOf(0xffff_ffff_8100_0030n), 'twin+0x0/0x40');
  t.is(map.nameOf(0xffff_ffff_8100_008fn), 'last+0xf/0x10');
});

test('an address in data or outside of the text has no name', (t) => {
  for (const address of [0n, 0xffff_ffff_80ff_fff0n, 0xffff_ffff_8100_0078n, 0xffff_ffff_8100_0090n])
    t.is(map.nameOf(address), null, address.toString(16));
  t.is(new SystemMap('').nameOf(0n), null);
  t.is(new SystemMap('0000000000001000 T main\n0000000000002000 T _end\n').nameOf(0x1000n), null);
});

test('a kernel’s map is parsed once; one that could not be read is tried again', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-map-'));
  t.teardown(() => rm(dir, { recursive: true }));
  await t.throwsAsync(readSystemMap(dir), { code: 'ENOENT' });
  await writeFile(join(dir, 'System.map'), text);
  const first = await readSystemMap(dir);
  t.is(first.nameOf(0xffff_ffff_8100_0000n), '_stext+0x0/0x10');
  await rm(join(dir, 'System.map'));
  t.is(await readSystemMap(dir), first);
});
