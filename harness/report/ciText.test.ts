// SPDX-License-Identifier: MIT
import test from 'ava';
import type { Ci } from '../schema.ts';
import { exampleCi } from '../testing/exampleCi.ts';
import { ciCounts } from './ciText.ts';
import { renderText } from './text.ts';

function lines(more: Partial<Ci> = {}): string[] {
  return renderText(exampleCi(more), 'runs/x').split('\n').slice(0, -1);
}

test('one line for each patch, with what is not a pass', (t) => {
  t.deepEqual(lines().slice(1, 4), [
    'PASS 1/3 demo: add a driver',
    'WARN 2/3 demo: name the users (checkpatch: 1 check; tags not checked; warnings: 2 new warnings)',
    'FAIL 3/3 demo: count the users (tests: 2 new failures)',
  ]);
});

test('a new failure has its sentence, its first patch, an excerpt, and how to run it again', (t) => {
  const all = lines();
  const at = all.indexOf('NEW FAILURE demo/races: global.close_twice');
  t.deepEqual(all.slice(at + 1, at + 7), [
    '  new: 8 of 8 patched, 0 of 8 base, wrong with p < 0.1 %, first with 3/3 "demo: count the users"',
    '  expected 0, got -9',
    '  logs: runs/x/tests/demo/first/',
    '  again: kiln repeat demo/races --series demo.mbox --base git:/src/linux#0123456789ab --times 8',
    '  without the series: kiln repeat demo/races --no-series --base git:/src/linux#0123456789ab --times 8',
    '',
  ]);
  t.true(all.includes('     count_down drivers/demo/core.c:40 (0003-demo-count.patch) [inlined]'));
});

test('what earlier runs say of a failure stands below it', (t) => {
  const [change] = exampleCi().ci!.changes.filter(({ kind }) => kind === 'new-failure');
  const past = (failed: number, runs: number) => {
    const last = failed === 0 ? null : '2026-01-01T03:04:05.000Z';
    return lines({ changes: [{ ...change!, past: { runs, failed, last } }] });
  };
  t.true(past(3, 40).includes('  failed in 3 of 40 earlier runs, the last one on 2026-01-01'));
  t.true(past(0, 1).includes('  failed in 0 of 1 earlier run'));
  t.false(past(0, 0).join('\n').includes('earlier run'));
});

test('other changes have a line each, and then follows why the run fails', (t) => {
  t.deepEqual(lines().slice(-15), [
    'UNDECIDED demo/rare (undecided after 60: 9 of 60 patched, 2 of 60 base)',
    'FIXED demo/leak: global.frees (fixed: 0 of 8 patched, 8 of 8 base)',
    'FLAKY demo/timer: global.sleeps (flaky: 3 of 20 patched, 4 of 20 base)',
    'FAILING BEFORE demo/timer: global.old (failing before: 8 of 8 patched, 8 of 8 base)',
    'NEW TEST demo/fresh (new: the base does not have it)',
    '',
    'Not tested:',
    '  drivers/demo/arm.c is not compiled: it needs CONFIG_ARM64',
    '',
    'Why it fails:',
    '  2 new failures',
    '  patch 3/3: the check "tests" fails',
    '',
    '3 patches: 1 passed, 1 with warnings, 1 failed; 2 new failures, 1 undecided, 1 fixed, 1 flaky, 1 failing before, 1 new test in 12 s',
    'results: runs/x/results.json, report: runs/x/report.txt',
  ]);
});

test('a good run of 40 patches fits on a screen: neighbours that pass share a line', (t) => {
  const one = exampleCi().ci!.patches;
  const patches = Array.from({ length: 40 }, (_, index) => ({
    ...one[index === 6 ? 1 : 0]!,
    number: index + 1,
  }));
  const good = lines({ patches, changes: [], failures: [], not_tested: [] });
  t.deepEqual(good.slice(1, 4), [
    'PASS 1 to 6/40',
    'WARN 7/40 demo: name the users (checkpatch: 1 check; tags not checked; warnings: 2 new warnings)',
    'PASS 8 to 40/40',
  ]);
  t.is(good.length, 7);
  t.is(good[5], '40 patches: 39 passed, 1 with warnings; no change in 12 s');
});

test('a job that ended early is said, and a series without patches is counted', (t) => {
  const results = exampleCi({ patches: [], changes: [] });
  t.is(ciCounts(results.ci!), '0 patches: no change');
  Object.assign(results.jobs[0]!, { error: { code: 'does-not-build', message: 'the base does not build' } });
  t.regex(renderText(results, 'runs/x'), /^job base: does-not-build: the base does not build$/m);
});

test('thousands of changes are cut', (t) => {
  const changes = exampleCi().ci!.changes;
  const many = lines({ changes: Array.from({ length: 5000 }, () => changes).flat() });
  t.true(many.length < 250, String(many.length));
  t.true(many.includes('… and 9990 more: new failure'));
});
