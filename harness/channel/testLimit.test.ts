// SPDX-License-Identifier: MIT
import test from 'ava';
import { Limit } from './testLimit.ts';

const limits = { beginMs: 30, limitMs: 100, graceMs: 40, silenceMs: 20 };

function limit(asked = 1000) {
  const over: number[] = [];
  return { one: new Limit(limits, asked, () => over.push(1)), over };
}

test('before it has begun, only that is waited for', (t) => {
  const { one } = limit();
  t.deepEqual(
    [1000, 1029, 1030, 1500].map((now) => one.left(now, null, 900)),
    [30, 1, 0, -470],
  );
});

test('a guest that says nothing is not waited for to the limit', (t) => {
  const { one, over } = limit();
  t.is(one.left(1010, 1001, 1009), 19);
  t.true(one.left(1030, 1001, 1009) <= 0);
  t.false(one.isOver);
  t.deepEqual(over, []);
});

test('at the limit the guest is told once, and has its grace', (t) => {
  const { one, over } = limit();
  t.is(one.left(1100, 1001, 1100), 1);
  t.deepEqual(over, []);
  t.is(one.left(1101, 1001, 1101), 20);
  t.is(one.left(1130, 1001, 1129), 11);
  t.deepEqual(over, [1]);
  t.true(one.isOver);
  t.is(one.left(1141, 1001, 1141), 0);
});
