// SPDX-License-Identifier: MIT
import test from 'ava';
import { exampleResults } from '../testing/example.ts';
import { exampleCi } from '../testing/exampleCi.ts';
import { casesOf, checkColumns, choose, columnsOf, isFailure, rowsOf } from './model.ts';

const names = (rows: { suite: string; test: string }[]) => rows.map(({ suite, test }) => `${suite}/${test}`);

test('what was not expected comes first, then the order of the run', (t) => {
  const results = exampleResults([
    { test: 'a' },
    { test: 'b', verdict: 'skip' },
    { test: 'c', verdict: 'error' },
    { test: 'd', verdict: 'xfail' },
    { test: 'e', verdict: 'crash' },
    { test: 'f', verdict: 'fail' },
  ]);
  const rows = rowsOf(results);
  t.deepEqual(names(rows), ['demo/e', 'demo/f', 'demo/c', 'demo/b', 'demo/a', 'demo/d']);
  t.deepEqual(names(rows.filter(isFailure)), ['demo/e', 'demo/f', 'demo/c']);
});

test('of kiln ci, new failures come before what failed before, and a row has all jobs', (t) => {
  const results = exampleCi();
  const rows = rowsOf(results);
  t.deepEqual(
    rows.map(({ test: name, state }) => [name, state]),
    [
      ['races', 'new-failure'],
      ['fresh', 'new-test'],
      ['timer', 'flaky'],
    ],
  );
  const columns = columnsOf(results).map(({ id }) => id);
  t.deepEqual(columns, ['base', 'patch-3']);
  t.deepEqual(
    rows[0]!.cells.map((cell) => [cell?.job, cell?.verdict]),
    [
      ['base', 'pass'],
      ['patch-3', 'fail'],
    ],
  );
  t.is(rows[0]!.evidence?.job, 'patch-3');
});

test('the filter knows states, patches, splats and the text of cases', (t) => {
  const results = exampleCi();
  const rows = rowsOf(results);
  const shown = (query: string) => names(choose(rows, query, results).shown);
  t.deepEqual(shown('state:new-failure'), ['demo/races']);
  t.deepEqual(shown('patch:3'), ['demo/races', 'demo/timer']);
  t.deepEqual(shown('patch:0003-demo'), ['demo/races', 'demo/timer']);
  t.deepEqual(shown('patch:1'), []);
  t.deepEqual(shown('splat:demo_put'), ['demo/races']);
  t.deepEqual(shown('splat:warning'), ['demo/races']);
  t.deepEqual(shown('close_twice'), ['demo/races']);
  t.deepEqual(shown('job:base verdict:fail'), ['demo/timer']);
  t.deepEqual(shown(''), names(rows));
});

test('a hung test is found as such and as a timeout', (t) => {
  const results = exampleResults([{ verdict: 'timeout', tempo: 'hung' }, { test: 'other' }]);
  const rows = rowsOf(results);
  for (const query of ['verdict:hung', 'verdict:timeout'])
    t.deepEqual(names(choose(rows, query, results).shown), ['demo/first'], query);
});

test('cases are chosen by text, unless the test itself has it', (t) => {
  const cases = ['opens', 'closes', 'moves'].map((name) => ({ name, verdict: 'pass' as const, detail: '' }));
  const [row] = rowsOf(
    exampleResults([{ cases: [...cases, { name: 'bad', verdict: 'fail', detail: 'EIO' }] }]),
  );
  const found = (...text: string[]) => casesOf(row!, text).map(({ name }) => name);
  t.deepEqual(found(), ['bad', 'opens', 'closes', 'moves']);
  t.deepEqual(found('close'), ['closes']);
  t.deepEqual(found('eio'), ['bad']);
  t.deepEqual(found('demo/first'), ['bad', 'opens', 'closes', 'moves']);
});

test('checks have the order in which they are made, though some patches lack some', (t) => {
  t.deepEqual(checkColumns(exampleCi().ci!), [
    ...['apply', 'checkpatch', 'tags', 'build', 'warnings', 'size', 'boot', 'tests'],
  ]);
});
