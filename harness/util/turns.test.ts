// SPDX-License-Identifier: MIT
import test from 'ava';
import { type Turn, Turns } from './turns.ts';

/** Lets what was granted come through. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

function started(turns: Turns<string>, wants: [string, number][]) {
  const running = new Map<string, Turn>();
  for (const [name, weight] of wants) turns.take(weight, name).then((turn) => running.set(name, turn));
  return running;
}

test('so many at once, in order, the next one when one ends', async (t) => {
  const turns = new Turns<string>(2, 100);
  const running = started(turns, [
    ['a', 1],
    ['b', 1],
    ['c', 1],
    ['d', 1],
  ]);
  await settle();
  t.deepEqual([...running.keys()], ['a', 'b']);
  t.deepEqual(turns.next(9), ['c', 'd']);
  running.get('b')![Symbol.dispose]();
  running.get('b')![Symbol.dispose](); // counts once
  await settle();
  t.deepEqual([...running.keys()], ['a', 'b', 'c']);
});

test('a heavy one waits for room, and nobody overtakes it', async (t) => {
  const turns = new Turns<string>(8, 10);
  const running = started(turns, [
    ['light', 4],
    ['heavy', 7],
    ['small', 1],
  ]);
  await settle();
  t.deepEqual([...running.keys()], ['light']);
  running.get('light')![Symbol.dispose]();
  await settle();
  t.deepEqual([...running.keys()], ['light', 'heavy', 'small']);
});

test('what is heavier than everything goes alone', async (t) => {
  const turns = new Turns<string>(8, 10);
  const running = started(turns, [
    ['giant', 99],
    ['small', 1],
  ]);
  await settle();
  t.deepEqual([...running.keys()], ['giant']);
  running.get('giant')![Symbol.dispose]();
  await settle();
  t.deepEqual([...running.keys()], ['giant', 'small']);
});

test('who leaves his place lets the next one in, as far as both have room', async (t) => {
  const turns = new Turns<string>(1, 10);
  const running = started(turns, [
    ['a', 4],
    ['b', 4],
    ['c', 4],
    ['giant', 99],
  ]);
  await settle();
  running.get('a')!.leavePlace();
  running.get('a')!.leavePlace(); // counts once
  await settle();
  t.deepEqual([...running.keys()], ['a', 'b']);
  running.get('b')!.leavePlace();
  await settle();
  t.deepEqual([...running.keys()], ['a', 'b'], 'two of them still carry 8');
  running.get('a')![Symbol.dispose]();
  await settle();
  t.deepEqual([...running.keys()], ['a', 'b', 'c']);
  running.get('c')![Symbol.dispose]();
  await settle();
  t.deepEqual([...running.keys()], ['a', 'b', 'c'], 'b has no place, but its weight');
  running.get('b')![Symbol.dispose]();
  await settle();
  t.deepEqual([...running.keys()], ['a', 'b', 'c', 'giant']);
});

test('who wants his place back has it before those who wait for a turn', async (t) => {
  const turns = new Turns<string>(1, 10);
  const running = started(turns, [
    ['a', 4],
    ['b', 4],
    ['heavy', 9],
  ]);
  await settle();
  running.get('a')!.leavePlace();
  await settle();
  let isBack = false;
  const back = running
    .get('a')!
    .retakePlace()
    .then(() => {
      isBack = true;
    });
  await settle();
  t.false(isBack);
  running.get('b')![Symbol.dispose]();
  await back;
  t.deepEqual([...running.keys()], ['a', 'b']);
  await running.get('a')!.retakePlace(); // it has one
  running.get('a')![Symbol.dispose]();
  await settle();
  t.deepEqual([...running.keys()], ['a', 'b', 'heavy']);
});
