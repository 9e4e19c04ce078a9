// SPDX-License-Identifier: MIT
import test from 'ava';
import { askStep, locate, type Step, stepsOf } from './locate.ts';

/** Fails from patch `first` on; the others answer as given. */
async function search(count: number, first: number, others: Record<number, Step> = {}) {
  const asked: number[] = [];
  const found = await locate(count, async (patch) => {
    asked.push(patch);
    return others[patch] ?? (patch < first ? 'not-new' : 'new');
  });
  return { found, asked };
}

test('the first patch is found in as many steps as announced, wherever it is', async (t) => {
  for (let count = 1; count <= 40; count++)
    for (let first = 1; first <= count; first++) {
      const { found, asked } = await search(count, first);
      t.deepEqual(found, { first });
      t.true(asked.length <= stepsOf(count), `${first} of ${count}: ${asked.join(' ')}`);
      t.is(new Set(asked).size, asked.length);
    }
});

test('a patch that can’t be asked is passed over', async (t) => {
  t.deepEqual((await search(5, 5, { 3: 'skip' })).found, { first: 5 });
  t.deepEqual((await search(5, 2, { 3: 'skip' })).found, { first: 2 });
});

test('patches that can’t be told apart are named together', async (t) => {
  t.deepEqual((await search(5, 4, { 3: 'skip' })).found, { from: 3, to: 4 });
  t.deepEqual((await search(3, 3, { 1: 'skip', 2: 'undecided' })).found, { from: 1, to: 3 });
});

test('a patch is cleared only if the whole series fails more often than the tree after it', async (t) => {
  const ask = (onBase: 'new' | 'not-new' | 'undecided', onWhole: typeof onBase) =>
    askStep(
      async () => onBase,
      async () => onWhole,
    );
  t.is(await ask('new', 'new'), 'new');
  for (const onBase of ['not-new', 'undecided'] as const) {
    t.is(await ask(onBase, 'new'), 'not-new');
    t.is(await ask(onBase, 'not-new'), 'skip');
    t.is(await ask(onBase, 'undecided'), 'skip');
  }
});
