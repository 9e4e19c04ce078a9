// SPDX-License-Identifier: MIT
import test from 'ava';
import { exits } from '../errors.ts';
import { exampleResults } from '../testing/example.ts';
import { exampleCi } from '../testing/exampleCi.ts';
import { outcomeOf } from './outcome.ts';

test('a run says what became of it, how much there was, and what its exit code means', (t) => {
  t.deepEqual(outcomeOf(exampleResults()), {
    tone: 'good',
    word: 'Passed',
    sentence: '1 passed, 0 failed (1 case) in 12 s',
    exit: '0: all tests ended as expected',
  });
});

test('a run of kiln ci counts patches and changes', (t) => {
  const { tone, sentence, exit } = outcomeOf(exampleCi());
  t.is(tone, 'bad');
  t.regex(sentence, /^3 patches: .* 2 new failures, .* in 12 s$/);
  t.regex(exit, /^1: the series breaks something/);
});

test('each exit code has a word and a meaning, and so has one of a later version', (t) => {
  for (const exitCode of Object.values(exits)) {
    const { word, exit } = outcomeOf(exampleResults([{}], { exit_code: exitCode }));
    t.notRegex(`${word} ${exit}`, /exit code|unknown/);
  }
  t.is(outcomeOf(exampleResults([{}], { exit_code: 99 })).word, 'exit code 99');
});
