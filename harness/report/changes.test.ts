// SPDX-License-Identifier: MIT
import test from 'ava';
import { exampleResults } from '../testing/example.ts';
import { exampleCi, exampleSplat } from '../testing/exampleCi.ts';
import {
  changeName,
  ciOf,
  countChanges,
  decodedLines,
  evidenceOf,
  excerptOf,
  patchedJob,
  patchStatus,
} from './changes.ts';

const results = exampleCi();
const ci = results.ci!;

test('a run that is not of kiln ci has none of its reports', (t) => {
  const error = t.throws(() => ciOf(exampleResults()), { message: /not one of "kiln ci"/ });
  t.is((error as Error & { code: string }).code, 'bad-input');
});

test('names and counts', (t) => {
  t.deepEqual(ci.changes.slice(0, 2).map(changeName), [
    'demo/races: WARNING in demo_put',
    'demo/races: global.close_twice',
  ]);
  t.is(countChanges(ci), '2 new failures, 1 undecided, 1 fixed, 1 flaky, 1 failing before, 1 new test');
  t.is(countChanges({ changes: [] }), '');
  t.deepEqual(ci.patches.map(patchStatus), ['pass', 'warn', 'fail']);
  t.is(patchStatus({ checks: [] }), 'skip');
  const check = { summary: '', findings: [] };
  const applies = { ...check, name: 'apply' as const, status: 'pass' as const };
  const unbuilt = { ...check, name: 'build' as const, status: 'skip' as const };
  t.is(patchStatus({ checks: [applies, unbuilt] }), 'skip');
  t.is(patchStatus({ checks: [{ ...applies, status: 'fail' }, unbuilt] }), 'fail');
});

test('a splat has its source lines: inlined functions first, uncertain frames none', (t) => {
  t.deepEqual(decodedLines(exampleSplat).slice(3, 10), [
    'RIP: 0010:demo_put+0x1f/0x30 drivers/demo/core.c:40 (0003-demo-count.patch)',
    'Call Trace:',
    ' <TASK>',
    ' ? __warn+0x85/0x140',
    ' count_down drivers/demo/core.c:40 (0003-demo-count.patch) [inlined]',
    ' demo_put+0x1f/0x30 drivers/demo/core.c:52',
    ' demo_release+0x11/0x20 drivers/demo/file.c:9',
  ]);
  const uncertain = { ...exampleSplat, lines: [' ? demo_put+0x1f/0x30'] };
  t.deepEqual(decodedLines(uncertain), uncertain.lines);
});

test('the evidence is of the patched kernel', (t) => {
  const [splat, failed] = ci.changes;
  t.is(evidenceOf(splat!, results)?.job, 'patch-3');
  t.deepEqual(excerptOf(failed!, results), ['expected 0, got -9']);
  // Both kernels fail it.
  t.is(evidenceOf(ci.changes.find(({ kind }) => kind === 'flaky')!, results)?.job, 'patch-3');
  t.is(evidenceOf({ ...splat!, test: 'none' }, results), undefined);
  t.deepEqual(excerptOf({ ...splat!, test: 'none' }, results), []);
});

test('the evidence is of the first patch that fails, if it is known', (t) => {
  const again = {
    ...results.tests.find(({ test, job }) => test === 'races' && job === 'patch-3')!,
    job: 'patch-2',
  };
  const two = { ...results, tests: [...results.tests, again] };
  t.is(evidenceOf({ ...ci.changes[0]!, patch: 2 }, two)?.job, 'patch-2');
  t.is(evidenceOf({ ...ci.changes[0]!, patch: null }, two)?.job, 'patch-3');
});

test('the job with the most patches', (t) => {
  t.is(patchedJob(results)?.id, 'patch-3');
  const unbuilt = { ...ci, patches: ci.patches.map((one) => (one.number > 1 ? { ...one, job: null } : one)) };
  t.is(patchedJob({ ...results, ci: unbuilt })?.id, 'patch-1');
});
