// SPDX-License-Identifier: MIT
import test from 'ava';
import { countVerdicts, ResultsError, readResults } from './schema.ts';
import { exampleResults } from './testing/example.ts';

test('results that were written can be read, from text or parsed JSON', (t) => {
  const results = exampleResults();
  t.deepEqual(readResults(JSON.stringify(results)), results);
  t.deepEqual(readResults(results), results);
});

test('unknown fields are no error', (t) => {
  const results = { ...exampleResults(), later: { field: 1 } };
  Object.assign(results.tests[0] ?? {}, { also: 'new' });
  t.is(readResults(results).id, results.id);
});

test('further fields of a job error are preserved', (t) => {
  const results = exampleResults();
  const error = { code: 'conflict', message: 'does not apply', patch: '0001-x.patch', hunk: 3 };
  Object.assign(results.jobs[0] ?? {}, { error });
  t.deepEqual(readResults(results).jobs[0]?.error, error);
});

test('another version is a clear error, whatever the rest of the file', (t) => {
  for (const schema of [2, '1', undefined, null]) {
    const error = t.throws(() => readResults({ schema, tests: 'nonsense' }), { instanceOf: ResultsError });
    t.is(error.code, 'results-version');
    t.regex(error.message, /reads version 1 only/);
  }
  t.is(t.throws(() => readResults('null'), { instanceOf: ResultsError }).code, 'results-version');
});

test('a broken file is a clear error', (t) => {
  const broken = t.throws(() => readResults('{"schema": 1'), { instanceOf: ResultsError });
  t.is(broken.code, 'results-invalid');
  t.true(broken.cause instanceof SyntaxError);
  const results = exampleResults([{ verdict: 'maybe' as 'pass' }]);
  const wrong = t.throws(() => readResults(results), { instanceOf: ResultsError });
  t.is(wrong.code, 'results-invalid');
  t.regex(wrong.message, /tests\[0\]\.verdict/);
});

test('verdicts are counted, with their sum', (t) => {
  const counts = countVerdicts(['pass', 'pass', 'fail', 'crash', 'error']);
  t.deepEqual(counts, { pass: 2, fail: 1, skip: 0, xfail: 0, timeout: 0, crash: 1, error: 1, total: 5 });
});
