// SPDX-License-Identifier: MIT
// `kiln history` on databases that are there, missing, damaged, locked, and of a newer Kiln. Needs no kernel.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type ExecutionContext } from 'ava';
import { History } from '../results/history.ts';
import { exampleResults } from '../testing/example.ts';
import { kiln } from './kiln.ts';

async function emptyCache(t: ExecutionContext) {
  const home = await mkdtemp(join(tmpdir(), 'kiln-history-'));
  t.teardown(() => rm(home, { recursive: true, force: true }));
  const path = join(home, 'kiln', 'history', 'history.db');
  const ask = (...args: string[]) => kiln(['history', ...args], { env: { XDG_CACHE_HOME: home } });
  return { cache: join(home, 'kiln'), path, ask };
}

test('a suite, a test, and what is not there', async (t) => {
  const { cache, ask } = await emptyCache(t);
  t.like(await ask(), { exitCode: 2 });
  {
    using history = (await History.open(cache, t.log))!;
    history.add(exampleResults([{}, { test: 'second', verdict: 'fail' }]), '/runs/x');
  }
  const table = await ask();
  t.is(table.exitCode, 0);
  t.regex(table.stdout, /^test .*\ndemo\/first +1 +0 /);
  t.regex((await ask('demo/second')).stdout, /^demo\/second\n {2}since 2026-01-02 03:04 UTC/);
  const missing = await ask('demo/third');
  t.is(missing.exitCode, 2);
  t.regex(missing.stderr, /no run of demo\/third\n {2}it has demo\/first, demo\/second/);
  t.is((await ask('a/b/c')).exitCode, 2);
});

test('a database that can’t be read is an infrastructure error that says what to do', async (t) => {
  const { cache, path, ask } = await emptyCache(t);
  await mkdir(join(cache, 'history'), { recursive: true });
  await writeFile(path, 'no database, but a long text '.repeat(100));
  const damaged = await ask();
  t.is(damaged.exitCode, 69);
  t.regex(damaged.stderr, /it is damaged: the next run puts it aside/);
  await rm(path);
  (await History.open(cache, t.log))![Symbol.dispose]();
  const database = new DatabaseSync(path);
  database.exec('pragma locking_mode = exclusive; begin exclusive');
  const locked = await ask();
  t.is(locked.exitCode, 69);
  t.regex(locked.stderr, /can't be read: .*locked\n {2}if another run writes into it, try again/);
  database.exec('commit; pragma user_version = 99');
  database.close();
  const newer = await ask();
  t.is(newer.exitCode, 69);
  t.regex(newer.stderr, /has version 99 of the tables/);
});
