// SPDX-License-Identifier: MIT
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';
import { quietContext } from '../testing/context.ts';
import { hostTsc } from './tsc.ts';

const hasTsc = /^flags\b.*\bconstant_tsc\b/m.test(await readFile('/proc/cpuinfo', 'utf8'));
const whereThereIsOne = hasTsc ? test : test.skip;

whereThereIsOne(
  'the host’s counter is measured once, and remembered while its question is the same',
  async (t) => {
    const cache = await mkdtemp(join(tmpdir(), 'kiln-tsc-'));
    t.teardown(() => rm(cache, { recursive: true }));
    const context = quietContext(cache);
    const khz = await hostTsc(paths.images, context);
    t.true(khz! >= 500_000 && khz! <= 10_000_000 && khz! % 1000 === 0, String(khz));
    const memory = join(cache, 'tsc.json');
    const remembered = JSON.parse(await readFile(memory, 'utf8'));
    await writeFile(memory, JSON.stringify({ ...remembered, khz: 1000 }));
    t.is(await hostTsc(paths.images, context), 1000);
    await writeFile(memory, JSON.stringify({ key: 'of another boot', khz: 1000 }));
    t.is(await hostTsc(paths.images, context), khz);
  },
);
