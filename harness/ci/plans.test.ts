// SPDX-License-Identifier: MIT
import test from 'ava';
import { plan } from '../job/plan.ts';
import type { Suite } from '../suite/suite.ts';
import { plainAsk } from '../testing/fakeExecution.ts';
import { ciPlans, withDebugInfo, withReproducer } from './plans.ts';

function suite(name: string): Suite {
  const tests = [{ name: 'a', program: 'a', settings: {} }];
  return { name, dir: `/${name}`, programs: [], tests, helpers: [], config: '', makefile: '', scripts: [] };
}

const names = (suites: { suite: Suite; tests: unknown[] }[]) =>
  suites.filter(({ tests }) => tests.length > 0).map(({ suite: { name } }) => name);

test('the base and the last step run all tests, the others the smoke test, all in one configuration', (t) => {
  const whole = plan({ ...plainAsk, series: ['/s'], with: ['/fix'] }, [], [suite('boot'), suite('demo')]);
  const { base, steps } = ciPlans(whole, 11, suite('boot'));
  t.deepEqual([base.id, base.series, base.ask.series], ['base', ['/fix'], []]);
  t.deepEqual(names(base.suites), ['boot', 'demo']);
  t.is(steps.length, 11);
  t.deepEqual([steps[0]!.id, steps[10]!.id], ['patch-01', 'patch-11']);
  t.deepEqual([steps[0]!.ask.upTo, steps[10]!.ask.upTo], [1, 11]);
  t.deepEqual(names(steps[0]!.suites), ['boot']);
  t.deepEqual(names(steps[10]!.suites), ['boot', 'demo']);
  for (const { suites } of [base, ...steps])
    t.deepEqual(suites.map(({ suite: { name } }) => name).toSorted(), ['boot', 'demo']);
});

test('a step runs what its patch touches, too, as far as it was chosen', (t) => {
  const whole = plan(
    { ...plainAsk, series: ['/s'], select: ['boot', 'demo'] },
    [],
    [...[suite('boot'), suite('demo'), suite('other')]],
  );
  const touched = (number: number) => new Set(number === 2 ? ['demo', 'other'] : []);
  const { base, steps } = ciPlans(whole, 3, suite('boot'), [], touched);
  t.deepEqual(
    steps.map(({ suites }) => names(suites).toSorted()),
    [['boot'], ['boot', 'demo'], ['boot', 'demo']],
  );
  const order = ({ suites }: typeof base) => suites.map((one) => one.suite.name);
  for (const one of steps) t.deepEqual(order(one).toSorted(), order(base).toSorted());
});

test('a suite that the user names may need what the series adds: only the last step requires it', (t) => {
  const whole = plan({ ...plainAsk, series: ['/s'], select: ['demo'] }, [], [suite('boot'), suite('demo')]);
  const { base, steps } = ciPlans(whole, 2, suite('boot'));
  const required = [base, ...steps].map(({ suites }) => suites.some((one) => one.required));
  t.deepEqual(required, [false, false, true]);
});

test('a project without the smoke suite gets it', (t) => {
  const { steps } = ciPlans(plan({ ...plainAsk, series: ['/s'] }, [], [suite('demo')]), 2, suite('boot'));
  t.deepEqual(names(steps[0]!.suites), ['boot']);
  t.deepEqual(names(steps[1]!.suites), ['demo']);
});

test('a reproducer runs on the base and the last step, and must not have the name of a suite', (t) => {
  const whole = plan({ ...plainAsk, series: ['/s'] }, [], [suite('boot'), suite('demo')]);
  const { base, steps } = ciPlans(withReproducer(whole, suite('bug')), 2, suite('boot'));
  t.deepEqual(
    [base, ...steps].map(({ suites }) => names(suites).includes('bug')),
    [true, false, true],
  );
  t.throws(() => withReproducer(whole, suite('demo')), { message: /there is a suite called "demo"/ });
});

test('kernels have debug information once, unless a whole configuration of the user decides', (t) => {
  const config = (ask: Partial<typeof plainAsk>) =>
    withDebugInfo(plan({ ...plainAsk, ...ask }, [], [suite('demo')])).ask.config;
  t.deepEqual(config({}), ['debuginfo']);
  t.deepEqual(config({ config: ['debuginfo', 'kasan'] }), ['debuginfo', 'kasan']);
  t.deepEqual(config({ configFrom: '/boot/config' }), []);
});
