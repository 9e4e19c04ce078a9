// SPDX-License-Identifier: MIT
import test from 'ava';
import type { SplatResult, Verdict } from '../schema.ts';
import { exampleTest } from '../testing/example.ts';
import { markExpected, requireExpected } from './expected.ts';

const splat = (title: string): SplatResult => ({
  title,
  kind: 'warning',
  phase: 'test',
  task: null,
  torn: false,
  lines: [title],
});

test('a splat is expected if any pattern matches its title', (t) => {
  const marked = markExpected([splat('WARNING in f'), splat('WARNING in g')], [/^BUG/, /in f$/]);
  t.deepEqual(
    marked.map(({ expected }) => expected),
    [true, false],
  );
  t.is(markExpected([splat('WARNING in f')], [])[0]!.expected, false);
});

for (const [verdict, after] of [
  ['pass', 'fail'],
  ['xfail', 'fail'],
  ['fail', 'fail'],
  ['skip', 'skip'],
  ['timeout', 'timeout'],
  ['crash', 'crash'],
  ['error', 'error'],
] as [Verdict, Verdict][])
  test(`an expected splat that does not come turns ${verdict} into ${after}`, (t) => {
    const result = exampleTest({ verdict, detail: 'so', splats: [splat('WARNING in f')], reproduce: null });
    t.is(requireExpected(result, [], 'again'), result);
    t.is(requireExpected(result, [/in f/], 'again'), result);
    const judged = requireExpected(result, [/in f/, /in g/, /in h/], 'again');
    t.is(judged.verdict, after);
    if (after !== 'fail') return t.is(judged, result);
    t.is(judged.detail, 'no splat came that matches in g; no splat came that matches in h; so');
    t.is(judged.reproduce, 'again');
    return undefined;
  });
