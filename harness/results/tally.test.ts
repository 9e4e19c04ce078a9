// SPDX-License-Identifier: MIT
import test from 'ava';
import type { TestResult } from '../schema.ts';
import { exampleTest } from '../testing/example.ts';
import { Tally } from './tally.ts';

const bad = (verdict: TestResult['verdict'], detail: string, more: Partial<TestResult> = {}) =>
  exampleTest({ verdict, detail, ...more });

function tally(results: TestResult[]) {
  const counted = new Tally();
  const kept = results.flatMap((result, index) =>
    counted.add(index + 1, result, `logs/${index + 1}`) ? [index + 1] : [],
  );
  return { kept, ...counted.tallied() };
}

test('without runs there is no rate', (t) => {
  const { of, rate, reasons, first_failure } = tally([]);
  t.deepEqual({ of, rate, reasons, first_failure }, { of: 0, rate: null, reasons: [], first_failure: null });
});

test('tests that pass leave nothing', (t) => {
  const { kept, failed, of, reasons, other_reasons } = tally([exampleTest(), exampleTest()]);
  t.deepEqual(
    { kept, failed, of, reasons, other_reasons },
    { kept: [], failed: 0, of: 2, reasons: [], other_reasons: 0 },
  );
});

test('skipped runs and infrastructure errors are neither failures nor in what the rate is of', (t) => {
  const { failed, of, rate, verdicts, first_failure } = tally([
    bad('error', 'QEMU was killed'),
    bad('skip', 'no such device'),
    exampleTest(),
    bad('timeout', 'not done within 60 s'),
    bad('xfail', ''),
    bad('crash', 'the kernel died'),
  ]);
  t.deepEqual([failed, of, rate!.estimate], [2, 4, 0.5]);
  t.deepEqual([verdicts.error, verdicts.skip, verdicts.total], [1, 1, 6]);
  t.deepEqual(first_failure, { run: 4, verdict: 'timeout', detail: 'not done within 60 s', logs: 'logs/4' });
});

test('the most frequent reason comes first, with the logs of its first guest', (t) => {
  const { reasons, kept } = tally([
    bad('fail', 'rare'),
    bad('fail', 'often'),
    bad('skip', 'not here'),
    bad('fail', 'often'),
    bad('crash', 'often'),
  ]);
  t.deepEqual(reasons, [
    { verdict: 'fail', detail: 'often', count: 2, logs: 'logs/2' },
    { verdict: 'fail', detail: 'rare', count: 1, logs: 'logs/1' },
    { verdict: 'skip', detail: 'not here', count: 1, logs: null },
    { verdict: 'crash', detail: 'often', count: 1, logs: 'logs/5' },
  ]);
  t.deepEqual(kept, [1, 2, 5]);
});

test('reasons that are all different are reported and stored up to the limits, and all are counted', (t) => {
  const results = Array.from({ length: 3000 }, (_, index) => bad('fail', `drew ${index}`));
  const { reasons, other_reasons, kept, failed } = tally(results);
  t.is(reasons.length, 10);
  t.is(other_reasons, 2990);
  t.deepEqual(kept, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  t.is(failed, 3000);
});

test('a reason that is frequent from late on still comes first', (t) => {
  const different = Array.from({ length: 100 }, (_, index) => bad('fail', `drew ${index}`));
  const { reasons } = tally([...different, bad('crash', 'panic'), bad('crash', 'panic')]);
  t.deepEqual(reasons[0], { verdict: 'crash', detail: 'panic', count: 2, logs: null });
});

test('the first failure is stored, however many errors precede it', (t) => {
  const errors = Array.from({ length: 2000 }, (_, index) => bad('error', `trouble ${index}`));
  const { kept, first_failure } = tally([...errors, bad('fail', 'at last'), bad('fail', 'again')]);
  t.is(kept.at(-1), 2001);
  t.is(first_failure!.logs, 'logs/2001');
});

test('where no guest was started there are no logs', (t) => {
  const { kept, reasons } = tally([bad('error', 'no QEMU', { guest: null })]);
  t.deepEqual([kept, reasons[0]!.logs], [[1], null]);
});
