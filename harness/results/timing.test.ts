// SPDX-License-Identifier: MIT
import test from 'ava';
import type { Loss, TestRun } from '../channel/session.ts';
import type { SplatResult } from '../schema.ts';
import { describeLoad, mayBeHosts, slowness, tempo } from './timing.ts';

const idle = { elapsed: 1000, steal: 0, stopped: 0 };

test('a guest that boots as usual has the usual limit, a slow one a limit that is as much longer', (t) => {
  for (const [bootMs, factor] of [
    [900, 1],
    [2000, 1],
    [2400, 1],
    [2600, 1.5],
    [4300, 2],
    [8000, 4],
    [60_000, 8],
  ] as const)
    t.is(slowness(bootMs, idle), factor, String(bootMs));
});

test('a boot that waited for the host is no slow guest', (t) => {
  t.is(slowness(9000, { elapsed: 9500, steal: 7500, stopped: 0 }), 1);
  t.is(slowness(9000, { elapsed: 9500, steal: 0, stopped: 7500 }), 1);
});

const silent: Loss = { why: 'silent', detail: '' };
const exited: Loss = { why: 'exited', exit: { code: 0, signal: null, stderr: '', events: [] } };

function ended(duration_ms: number): TestRun {
  const end = { type: 'end', seq: 3, id: 2, how: 'exit', status: 0, ktap: 0, kmsg: 0, taint: 0 } as const;
  return {
    begin: null,
    end: { ...end, duration_ms, leftovers: 0, settled: true, ready: false, artifacts: 0 },
    loss: null,
    incomplete: false,
    next: null,
  };
}

test('slow, timed out, hung and dead tests are distinguished', (t) => {
  t.is(tempo('pass', ended(5000), null, 10_000, idle), undefined);
  t.is(tempo('pass', ended(5001), null, 10_000, idle), 'slow');
  t.is(tempo('fail', ended(5001), null, 10_000, idle), 'slow');
  t.is(tempo('pass', ended(5001), null, 10_000, { ...idle, steal: 100 }), undefined);
  t.is(tempo('timeout', ended(10_000), null, 10_000, idle), 'timed-out');
  t.is(tempo('timeout', null, silent, 10_000, idle), 'hung');
  t.is(tempo('crash', null, silent, 10_000, idle), 'dead');
  t.is(tempo('crash', null, exited, 10_000, idle), 'dead');
  t.is(tempo('error', null, exited, 10_000, idle), undefined);
  t.is(tempo('fail', null, null, 10_000, idle), undefined);
});

const splat = (kind: SplatResult['kind'], title = 'title') => ({ kind, title });
const busy = { elapsed: 40_000, steal: 12_000, stopped: 0 };

test('a host can cause only stalls', (t) => {
  for (const kind of ['rcu-stall', 'soft-lockup', 'hard-lockup', 'hung-task'] as const)
    t.true(mayBeHosts({ splats: [splat(kind)] }, busy), kind);
  t.true(mayBeHosts({ splats: [splat('other', 'BUG: workqueue lockup')] }, busy));
  t.true(mayBeHosts({ splats: [splat('other', 'csd: non-responsive CSD lock in f')] }, busy));
  t.true(mayBeHosts({ splats: [splat('rcu-stall'), { ...splat('other'), notice: true }] }, busy));
  t.false(mayBeHosts({ splats: [{ ...splat('other'), notice: true }] }, busy));
  t.false(mayBeHosts({ splats: [] }, busy));
  t.false(mayBeHosts({ splats: [splat('warning')] }, busy));
  t.false(mayBeHosts({ splats: [splat('rcu-stall'), splat('kasan')] }, busy));
});

test('and only if it took much time from the guest', (t) => {
  const stall = { splats: [splat('rcu-stall')] };
  t.true(mayBeHosts(stall, { elapsed: 40_000, steal: 0, stopped: 25_000 }));
  t.false(mayBeHosts(stall, idle));
  t.false(mayBeHosts(stall, { elapsed: 4000, steal: 3000, stopped: 0 }));
  t.false(mayBeHosts(stall, { elapsed: 400_000, steal: 12_000, stopped: 0 }));
});

test('a case that failed may be, if it did so at the limit that kselftest_harness.h gives it', (t) => {
  const late = {
    verdict: 'fail' as const,
    detail: 'a.c:1:works:Expected\nworks: Test terminated by timeout',
  };
  const wrong = { verdict: 'fail' as const, detail: 'works: Test failed' };
  const good = { verdict: 'pass' as const, detail: '' };
  t.true(mayBeHosts({ splats: [], cases: [good, late] }, busy));
  t.true(mayBeHosts({ splats: [splat('soft-lockup')], cases: [late] }, busy));
  t.false(mayBeHosts({ splats: [], cases: [late] }, idle));
  t.false(mayBeHosts({ splats: [], cases: [late, wrong] }, busy));
  t.false(mayBeHosts({ splats: [splat('soft-lockup')], cases: [wrong] }, busy));
  t.false(mayBeHosts({ splats: [], cases: [good] }, busy));
});

test('the reason has the time in seconds', (t) => {
  t.is(describeLoad(busy), 'QEMU waited for a processor for 12 of 40 s');
  t.is(describeLoad({ ...busy, stopped: 20_000 }), 'QEMU was stopped for 20 of 40 s');
});
