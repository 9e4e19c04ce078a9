// SPDX-License-Identifier: MIT
import test from 'ava';
import { Turns } from './turns.ts';

/** Lets what was granted come through. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

function started(turns: Turns<string>, wants: [string, number][]) {
  const running = new Map<string, Disposable>();
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
