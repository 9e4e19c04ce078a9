// SPDX-License-Identifier: MIT
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Tally } from '../results/tally.ts';
import { fakeExecution, fakeJob } from '../testing/fakeExecution.ts';
import { passes, passing, type Script } from '../testing/fakeGuest.ts';
import { type FakePoolOptions, lostAtBoot } from '../testing/fakePool.ts';
import { runRepeats } from './repeat.ts';

/** Repeat a test. `fails`: whether it does so in the guest that is started as the `index`-th. */
async function repeat(
  t: ExecutionContext,
  times: number,
  fails: (index: number) => boolean,
  options: FakePoolOptions & { untilFail?: boolean; isolation?: 'boot' } = {},
) {
  const script = (index: number): Script => ({
    run: ({ id }, agent) => {
      agent.begin(id);
      agent.output(fails(index) ? 'KTAP version 1\n1..1\nnot ok 1 works\n' : passing);
      agent.end(id);
    },
  });
  const all = await fakeExecution(t, {
    slots: 1,
    guest: (_, index) => ({ script: script(index) }),
    ...options,
  });
  const { recorder, built, events } = fakeJob({
    a: options.isolation ? { isolation: options.isolation } : {},
  });
  const tally = new Tally();
  const request = { times, untilFail: options.untilFail ?? false, again: 'kiln repeat demo/a' };
  const stage = await runRepeats(request, tally, recorder, built, all.runDir, all.execution);
  const dir = join(all.runDir, 'guests', recorder.plan.id, 'demo', 'a');
  const kept = (await readdir(dir).catch(() => [])).toSorted();
  return { ...all, stage, tally, recorder, events, kept };
}

test('a test is run as often as asked, each time in a fresh guest, and counted', async (t) => {
  const { stage, tally, events, started, recorder, kept } = await repeat(t, 4, () => false);
  t.deepEqual(stage, { value: null, cached: false, text: '4 runs of demo/a' });
  t.like(tally.verdicts, { pass: 4, total: 4 });
  t.is(started.length, 4);
  t.deepEqual(recorder.tests, []);
  t.deepEqual(kept, []);
  t.like(events[0], { type: 'tests-planned', total: 4, guests: 1 });
  const progress = events.filter((event) => event.type === 'repeat-progress');
  t.deepEqual(
    progress.map(({ total, verdicts }) => [total, verdicts.total]),
    [
      [4, 1],
      [4, 2],
      [4, 3],
      [4, 4],
    ],
  );
});

test('the first failure is kept with its logs, what is like it is only counted', async (t) => {
  const { tally, recorder, kept, events, stage } = await repeat(t, 5, (index) => index === 1 || index === 3);
  t.is(tally.failed, 2);
  t.deepEqual(kept.length, 1);
  t.is(recorder.tests.length, 1);
  t.like(recorder.tests[0], { verdict: 'fail', reproduce: 'kiln repeat demo/a' });
  t.is(events.filter(({ type }) => type === 'test-end').length, 1);
  t.is(tally.tallied().first_failure?.logs, join('guests', recorder.plan.id, 'demo', 'a', kept[0]!));
  t.is(stage.value, null);
});

test('a hunt ends with the first failure', async (t) => {
  const { stage, tally, started } = await repeat(t, 50, (index) => index === 2, { untilFail: true });
  t.is(stage.value, 'failed');
  t.like(tally.verdicts, { pass: 2, fail: 1, total: 3 });
  t.true(started.length <= 5);
});

test('ten infrastructure errors in a row are enough', async (t) => {
  const { stage, tally } = await repeat(t, 50, () => false, {
    template: () => {
      throw new Error('no QEMU');
    },
    guest: () => {
      throw new Error('no QEMU');
    },
  });
  t.is(stage.value, 'errors');
  t.like(tally.verdicts, { error: 10, total: 10 });
});

test('errors that are not in a row stop nothing', async (t) => {
  let calls = 0;
  const { stage, tally } = await repeat(t, 19, () => false, {
    guest: () => {
      if (++calls !== 10) throw new Error('no QEMU');
      return {};
    },
    isolation: 'boot',
  });
  t.is(stage.value, null);
  t.like(tally.verdicts, { error: 18, pass: 1, total: 19 });
});

test('as many run at once as there are slots', async (t) => {
  const begun: (() => void)[] = [];
  const all = repeat(t, 3, () => false, {
    slots: 3,
    guest: () => ({
      script: {
        run: async (message, agent) => {
          // None ends before all have begun.
          await new Promise<void>((resolve) => {
            begun.push(resolve);
            if (begun.length === 3) for (const end of begun) end();
          });
          passes(message, agent);
        },
      },
    }),
  });
  t.is((await all).tally.verdicts.pass, 3);
});

test('where there is nothing to fork from, the second time would be as the first', async (t) => {
  const { stage, tally } = await repeat(t, 50, () => false, {
    template: () => {
      throw lostAtBoot({ why: 'silent', detail: 'no answer' });
    },
  });
  t.is(stage.value, 'no-boot');
  t.like(tally.verdicts, { timeout: 1, total: 1 });
});

test('a failure that comes last has not stopped anything', async (t) => {
  const { stage } = await repeat(t, 2, (index) => index === 1, { untilFail: true });
  t.is(stage.value, null);
});
