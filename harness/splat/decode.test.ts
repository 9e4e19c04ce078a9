// SPDX-License-Identifier: MIT
// How lookups are shared. What a lookup finds in a real kernel is in e2e/5-places.test.ts.
import test from 'ava';
import type { Context } from '../context.ts';
import type { CodePoint, SourceLine } from '../kernel/sourceLines.ts';
import type { SplatResult } from '../schema.ts';
import type { Tree } from '../tree/tree.ts';
import { Decoder } from './decode.ts';

const tree = { key: '', commit: '', content: '', gitDir: '', patches: [], warnings: [], symbols: [] } as Tree;

function splat(...lines: string[]): SplatResult {
  return { title: 'WARNING', kind: 'warning', phase: 'test', task: null, torn: false, lines };
}

/** A decoder whose lookups wait until they are answered. */
function example() {
  const notes: string[] = [];
  const abort = new AbortController();
  const lookups: {
    symbols: string[];
    answer: (places?: SourceLine[][]) => void;
    fail: (error: Error) => void;
  }[] = [];
  const find = (_: unknown, points: CodePoint[]) =>
    new Promise<SourceLine[][]>((resolve, reject) => {
      const found = points.map(({ symbol }) => [{ function: symbol, file: `${symbol}.c`, line: 7 }]);
      lookups.push({
        symbols: points.map(({ symbol }) => symbol),
        answer: (places = found) => resolve(places),
        fail: reject,
      });
    });
  const context = { signal: abort.signal, note: (_, text) => void notes.push(text) } as Partial<Context>;
  return {
    decoder: new Decoder({ dir: '/kernel' }, tree, context as Context, find, async () => new Map()),
    lookups,
    notes,
    abort,
  };
}

/** What is ready to happen has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

const frame = (symbol: string) => ` ${symbol}+0x1/0x2`;

test('each frame of a splat has its source lines, in the order of the log', async (t) => {
  const { decoder, lookups } = example();
  const one = splat(frame('inner'), frame('outer'));
  const decoding = decoder.decode([one]);
  lookups[0]!.answer();
  await decoding;
  t.deepEqual(one.frames, [
    { at: 'inner+0x1/0x2', places: [{ function: 'inner', file: 'inner.c', line: 7, patch: null }] },
    { at: 'outer+0x1/0x2', places: [{ function: 'outer', file: 'outer.c', line: 7, patch: null }] },
  ]);
});

test('what is asked for during a lookup shares the next one', async (t) => {
  const { decoder, lookups } = example();
  const splats = ['a', 'b', 'c'].map((name) => splat(frame(name), frame('shared')));
  const all = splats.map((one) => decoder.decode([one]));
  await settled();
  t.deepEqual(
    lookups.map(({ symbols }) => symbols),
    [['a', 'shared']],
  );
  lookups[0]!.answer();
  await all[0];
  await settled();
  t.deepEqual(lookups[1]?.symbols.toSorted(), ['b', 'c', 'shared']);
  lookups[1]!.answer();
  await Promise.all(all);
  t.is(lookups.length, 2);
  t.deepEqual(
    splats.map(({ frames }) => frames?.map(({ places }) => places.length)),
    [
      [1, 1],
      [1, 1],
      [1, 1],
    ],
  );
});

test('what is known is not looked up again', async (t) => {
  const { decoder, lookups } = example();
  const first = decoder.decode([splat(frame('a'))]);
  lookups[0]!.answer();
  await first;
  const again = splat(frame('a'));
  await decoder.decode([again]);
  t.is(lookups.length, 1);
  t.is(again.frames?.length, 1);
  const more = decoder.decode([splat(frame('a'), frame('b'))]);
  t.deepEqual(lookups[1]?.symbols, ['b']);
  lookups[1]!.answer();
  await more;
});

test('a return address and the instruction itself are two places', async (t) => {
  const { decoder, lookups } = example();
  const decoding = decoder.decode([splat(frame('a')), splat('RIP: 0010:a+0x1/0x2')]);
  t.deepEqual(lookups[0]?.symbols, ['a', 'a']);
  lookups[0]!.answer();
  await decoding;
});

test('without any place, as in a kernel without debug information, a splat stays as it is', async (t) => {
  const { decoder, lookups, notes } = example();
  const one = splat(frame('a'));
  const decoding = decoder.decode([one]);
  lookups[0]!.answer([[]]);
  await decoding;
  t.false('frames' in one);
  t.deepEqual(notes, []);
});

test('a splat without frames needs no lookup', async (t) => {
  const { decoder, lookups } = example();
  await decoder.decode([splat('no stack here')]);
  t.is(lookups.length, 0);
});

test('a lookup that fails is noted once, for who waits and for who comes later', async (t) => {
  const { decoder, lookups, notes } = example();
  const both = [decoder.decode([splat(frame('a'))]), decoder.decode([splat(frame('b'))])];
  lookups[0]!.fail(new Error('addr2line failed'));
  await Promise.all(both);
  await decoder.decode([splat(frame('c'))]);
  t.is(lookups.length, 1);
  t.deepEqual(notes, ['the stacks of splats could not be decoded: addr2line failed']);
});

test('a lookup that an interruption ends is nothing to note', async (t) => {
  const { decoder, lookups, notes, abort } = example();
  const decoding = decoder.decode([splat(frame('a'))]);
  abort.abort();
  lookups[0]!.fail(new Error('interrupted'));
  await decoding;
  t.deepEqual(notes, []);
});

test('a place has the lines around it', async (t) => {
  const source = { first: 6, lines: ['a', 'b', 'c'] };
  const find = async () => [[{ function: 'f', file: 'f.c', line: 7 }]];
  const context = { signal: new AbortController().signal, note: () => {} } as Partial<Context>;
  const read = async () => new Map([['f.c:7', source]]);
  const decoder = new Decoder({ dir: '/kernel' }, tree, context as Context, find, read);
  const one = splat(frame('f'));
  await decoder.decode([one]);
  t.deepEqual(one.frames?.[0]?.places, [{ function: 'f', file: 'f.c', line: 7, patch: null, source }]);
});
