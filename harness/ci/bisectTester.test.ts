// SPDX-License-Identifier: MIT
import test from 'ava';
import type { CaseResult, TestResult } from '../schema.ts';
import { exampleTest } from '../testing/example.ts';
import { outcomeOf } from './bisectTester.ts';

const one = (verdict: CaseResult['verdict'], name = 'one'): CaseResult => ({
  name,
  verdict,
  detail: `${name} said\nwhy`,
});
const kindOf = (more: Partial<TestResult>, name: string | null = null) =>
  outcomeOf(exampleTest(more), name).kind;

test('a test fails as a whole in any way, and a kernel that does not boot is no failure of the test', (t) => {
  t.is(kindOf({}), 'pass');
  t.is(kindOf({ verdict: 'xfail' }), 'pass');
  for (const verdict of ['fail', 'timeout', 'crash'] as const) {
    t.is(kindOf({ verdict }), 'fail');
    t.is(kindOf({ verdict, boot_ms: null }), 'no-boot');
  }
  t.is(kindOf({ verdict: 'error', boot_ms: null }), 'error');
  t.is(kindOf({ verdict: 'fail', boot_ms: null, guest: null }), 'not-run');
  t.deepEqual(outcomeOf(exampleTest({ verdict: 'skip', detail: 'no KVM' }), null), {
    kind: 'not-run',
    detail: 'it is skipped: no KVM',
  });
});

test('of one case, only that counts; a guest that died before it failed it', (t) => {
  const both = { verdict: 'fail' as const, cases: [one('fail'), one('pass', 'two')] };
  t.deepEqual(outcomeOf(exampleTest(both), 'one'), { kind: 'fail', detail: 'why' });
  t.is(kindOf(both, 'two'), 'pass');
  t.is(kindOf(both, 'three'), 'not-run');
  t.is(kindOf({ ...both, verdict: 'crash' }, 'three'), 'fail');
  t.is(kindOf({ ...both, verdict: 'crash' }, 'two'), 'pass');
  t.is(kindOf({ cases: [one('skip')] }, 'one'), 'not-run');
});
