// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { History } from '../results/history.ts';
import { exampleResults } from '../testing/example.ts';
import { kiln } from './kiln.ts';

/** A cache and a run directory with an entry of each age, in days. */
async function filled(t: ExecutionContext) {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-clean-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [cache, runs] = [join(dir, 'kiln'), join(dir, 'runs')];
  for (const age of [1, 40]) {
    const time = Date.now() / 1000 - age * 86_400;
    const paths = [join(cache, 'kernels', `${age}`), join(runs, `${age}`), join(runs, `other-${age}`)];
    for (const path of paths) await mkdir(path, { recursive: true });
    const results = join(runs, `${age}`, 'results.json');
    const known = join(cache, 'known', 'tests', `${age}.json`);
    await mkdir(join(known, '..'), { recursive: true });
    for (const file of [results, known]) await writeFile(file, '{}');
    for (const path of [...paths, results, known]) await utimes(path, time, time);
    using history = (await History.open(cache, t.log))!;
    const started = new Date(time * 1000).toISOString();
    history.add(exampleResults([{}], { id: `${age}`, started }), '');
  }
  const left = async () => {
    using history = (await History.open(cache, t.log))!;
    const asked = { suite: 'demo', test: 'first', case: null, splat: null };
    return {
      kernels: await readdir(join(cache, 'kernels')).catch(() => []),
      known: await readdir(join(cache, 'known', 'tests')).catch(() => []),
      runs: (await readdir(runs)).toSorted(),
      history: history.past(asked, '').runs,
    };
  };
  const clean = (...words: string[]) =>
    kiln(['clean', '--out', runs, ...words], { cwd: dir, env: { XDG_CACHE_HOME: dir } });
  return { cache, clean, left };
}

test('what was not used for some days goes, and what is no run stays', async (t) => {
  const { clean, left } = await filled(t);
  const before = await left();
  const dry = await clean('--older', '30', '--dry-run');
  t.is(dry.exitCode, 0, dry.stderr);
  t.regex(dry.stdout, /would remove 1 entry of .*kernels/);
  t.deepEqual(await left(), before);
  t.is((await clean('--older', '30')).exitCode, 0);
  t.deepEqual(await left(), {
    kernels: ['1'],
    known: ['1.json'],
    runs: ['1', 'other-1', 'other-40'],
    history: 1,
  });
});

test('without --older all of the cache goes, and no run', async (t) => {
  const { clean, left, cache } = await filled(t);
  t.regex((await clean()).stdout, new RegExp(`removing ${cache}`));
  t.like(await left(), { kernels: [], runs: ['1', '40', 'other-1', 'other-40'], history: 0 });
});
