// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type ExecutionContext } from 'ava';
import type { Results, SplatResult, TestResult } from '../schema.ts';
import { exampleResults } from '../testing/example.ts';
import { History, recall, remember } from './history.ts';

async function cacheOf(t: ExecutionContext) {
  const cache = await mkdtemp(join(tmpdir(), 'kiln-history-'));
  t.teardown(() => rm(cache, { recursive: true, force: true }));
  const notes: string[] = [];
  return { cache, notes, note: (text: string) => void notes.push(text) };
}

/** The run of a day of January 2026. */
function run(day: number, ...tests: Partial<TestResult>[]): Results {
  const started = `2026-01-${String(day).padStart(2, '0')}T03:04:05.000Z`;
  return exampleResults(tests, { id: `run-${day}`, started });
}

const failing: Partial<TestResult> = {
  verdict: 'fail',
  cases: [
    { name: 'a', verdict: 'fail', detail: '' },
    { name: 'b', verdict: 'pass', detail: '' },
  ],
};
const asked = (name: string | null, splat: string | null = null) => ({
  ...{ suite: 'demo', test: 'first', case: name, splat },
});

test('what failed in earlier runs is counted, by case and by test', async (t) => {
  const { cache, notes, note } = await cacheOf(t);
  {
    using history = (await History.open(cache, note))!;
    for (const day of [1, 2]) history.add(run(day, failing), '/runs/x');
    for (const day of [3, 4]) history.add(run(day, {}), '/runs/x');
    for (const verdict of ['skip', 'error'] as const) history.add(run(5, { verdict }), '/runs/x');
  }
  using history = (await History.open(cache, note))!;
  const last = '2026-01-02T03:04:05.000Z';
  t.deepEqual(history.past(asked('a'), ''), { runs: 4, failed: 2, last });
  t.deepEqual(history.past(asked('b'), ''), { runs: 4, failed: 0, last: null });
  t.deepEqual(history.past(asked(null), ''), { runs: 4, failed: 2, last });
  t.deepEqual(history.past(asked('a'), 'run-2'), { runs: 3, failed: 1, last: '2026-01-01T03:04:05.000Z' });
  t.deepEqual(history.past(asked('a'), '', 2), { runs: 2, failed: 0, last: null });
  t.deepEqual(history.past({ ...asked('a'), test: 'other' }, ''), { runs: 0, failed: 0, last: null });
  t.deepEqual(notes, []);
});

test('a result that comes from an earlier run does not count again', async (t) => {
  const { cache, note } = await cacheOf(t);
  using history = (await History.open(cache, note))!;
  history.add(run(1, failing), '/runs/x');
  history.add(run(2, { ...failing, guest: null }), '/runs/x');
  t.like(history.past(asked('a'), ''), { runs: 1, failed: 1 });
});

test('a splat is known by its title', async (t) => {
  const { cache, note } = await cacheOf(t);
  using history = (await History.open(cache, note))!;
  const splat = (title: string, expected = false): SplatResult => ({
    ...{ title, kind: 'bug', phase: 'test', task: null, torn: false, lines: [], expected },
  });
  const splats = [splat('BUG: x'), splat('BUG: y', true)];
  history.add(run(1, { verdict: 'crash', cases: [], splats }), '/runs/x');
  t.like(history.past(asked(null, 'BUG: x'), ''), { runs: 1, failed: 1 });
  t.like(history.past(asked(null, 'BUG: y'), ''), { runs: 1, failed: 0 });
});

test('a run that is added again is there once, and old runs can be removed', async (t) => {
  const { cache, note } = await cacheOf(t);
  using history = (await History.open(cache, note))!;
  for (const day of [1, 2, 2]) history.add(run(day, failing), '/runs/x');
  t.like(history.past(asked('a'), ''), { runs: 2 });
  t.is(history.forget('2026-01-02'), 1);
  t.like(history.past(asked('a'), ''), { runs: 1, failed: 1 });
});

test('a damaged database is put aside, and the history begins anew', async (t) => {
  const { cache, notes, note } = await cacheOf(t);
  await mkdir(join(cache, 'history'));
  await writeFile(join(cache, 'history', 'history.db'), 'no database, but a long text '.repeat(100));
  using history = (await History.open(cache, note))!;
  history.add(run(1, failing), '/runs/x');
  t.like(history.past(asked('a'), ''), { runs: 1 });
  t.regex(notes.join(), /is damaged, and begins anew; the old one is .*damaged-\d+$/);
  t.true((await readdir(join(cache, 'history'))).some((name) => name.includes('damaged')));
});

test('tables of a newer Kiln are left alone, and so is a place that can’t be written', async (t) => {
  const { cache, notes, note } = await cacheOf(t);
  (await History.open(cache, note))![Symbol.dispose]();
  const database = new DatabaseSync(join(cache, 'history', 'history.db'));
  database.exec('pragma user_version = 99');
  database.close();
  t.is(await History.open(cache, note), null);
  t.regex(notes.join(), /is not used: .*version 99 of the tables/);
  await writeFile(join(cache, 'file'), '');
  t.is(await History.open(join(cache, 'file'), note), null);
});

test('a run is remembered and recalled, and nothing is lost but the history if that fails', async (t) => {
  const { cache, notes, note } = await cacheOf(t);
  await remember(cache, run(1, failing), '/runs/x', note);
  t.like((await recall(cache, [asked('a'), asked('b')], ''))[0], { runs: 1, failed: 1 });
  const holder = new DatabaseSync(join(cache, 'history', 'history.db'));
  holder.exec('pragma locking_mode = exclusive; begin exclusive');
  t.teardown(() => holder.close());
  t.deepEqual(await recall(cache, [asked('a')], ''), []);
  await remember(cache, run(2, failing), '/runs/x', note);
  t.regex(notes.join(), /history of tests.*locked/);
});

test('two runs may write at once', async (t) => {
  const { cache, note } = await cacheOf(t);
  using one = (await History.open(cache, note))!;
  using two = (await History.open(cache, note))!;
  one.add(run(1, failing), '/runs/x');
  two.add(run(2, failing), '/runs/x');
  t.like(one.past(asked('a'), ''), { runs: 2 });
});

test('the runs of a test are listed with what they ran on, the oldest first', async (t) => {
  const { cache, note } = await cacheOf(t);
  using history = (await History.open(cache, note))!;
  history.add(run(2, failing), '/runs/2');
  history.add(run(1, {}, { test: 'other' }), '/runs/1');
  history.add(run(3, { verdict: 'error' }), '/runs/3');
  const runs = history.runs({ suite: 'demo', test: 'first' });
  t.deepEqual(
    runs.map((one) => [one.run, one.verdict, one.failures]),
    [
      ['run-1', 'pass', []],
      ['run-2', 'fail', ['a']],
    ],
  );
  t.like(runs[0], {
    ...{ kernel: '0123', release: '6.12.117', config: 'base x86_64', accelerator: 'tcg', series: 'srvfs' },
  });
  t.is(history.runs({ suite: 'demo', test: null }).length, 3);
  t.deepEqual(
    history.runs({ suite: null, test: null }, 1).map((one) => one.run),
    ['run-2'],
  );
});

test('a database that has no table of jobs yet gets one, and keeps its runs', async (t) => {
  const { cache, notes, note } = await cacheOf(t);
  {
    using history = (await History.open(cache, note))!;
    history.add(run(1, failing), '/runs/1');
  }
  const old = new DatabaseSync(join(cache, 'history', 'history.db'));
  old.exec('drop table stage; drop table job;');
  old.close();
  using history = (await History.look(cache))!;
  history.add(run(2, {}), '/runs/2');
  t.deepEqual(
    history.runs({ suite: 'demo', test: 'first' }).map((one) => [one.run, one.accelerator]),
    [
      ['run-1', null],
      ['run-2', 'tcg'],
    ],
  );
  t.deepEqual(notes, []);
});

test('who only looks makes no database, and puts none aside', async (t) => {
  const { cache } = await cacheOf(t);
  t.is(await History.look(cache), null);
  t.deepEqual(await readdir(cache), []);
  await mkdir(join(cache, 'history'));
  await writeFile(join(cache, 'history', 'history.db'), 'no database, but a long text '.repeat(100));
  await t.throwsAsync(History.look(cache), { message: /not a database/ });
  t.deepEqual(await readdir(join(cache, 'history')), ['history.db']);
});
