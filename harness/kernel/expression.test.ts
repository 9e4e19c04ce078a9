// SPDX-License-Identifier: MIT
import test from 'ava';
import { allOf, anyOf, asText, evaluate, never, parseExpression, symbolsOf } from './expression.ts';

const values: Record<string, string> = { A: 'y', M: 'm', NR: '64', TEXT: 'x', '64BIT': 'y' };

/** UNCLEAR is what only a program would tell. */
function lookUp(name: string): string | null {
  return name === 'UNCLEAR' ? null : (values[name] ?? 'n');
}

const cases = [
  ['A', 2],
  ['M', 1],
  ['OFF', 0],
  ['!M', 1],
  ['A && M', 1],
  ['OFF || M', 1],
  ['OFF || A && M', 1],
  ['(OFF || A) && A', 2],
  ['A && (M || OFF', null],
  ['A=y', 2],
  ['M = y', 0],
  ['OFF!=n', 0],
  ['NR > 8', 2],
  ['NR >= 64 && NR <= 64', 2],
  ['NR < 8', 0],
  ['TEXT = "x"', 2],
  ["'x86' = 'x86'", 2],
  ['64BIT # and a comment', 2],
  ['$(cc-option,-mfoo(1))', null],
  ['"$(X)" = "y"', null],
  ['UNCLEAR || A', 2],
  ['UNCLEAR && A', null],
  ['UNCLEAR && OFF', 0],
  ['!UNCLEAR', null],
  ['y && !n', 2],
  ['A B', null],
] as const;

for (const [text, value] of cases)
  test(`${text} is ${value}`, (t) => {
    t.is(evaluate(parseExpression(text), lookUp), value);
  });

test('an expression is written with the parentheses that it needs', (t) => {
  t.is(asText(parseExpression('A&&(B||!(C && D))  # x')), 'A && (B || !(C && D))');
});

test('what is joined holds no part twice, and none that changes nothing', (t) => {
  const [a, b] = [parseExpression('A'), parseExpression('B')];
  t.is(asText(allOf([a, parseExpression('A && B'), parseExpression('y'), b])), 'A && B');
  t.is(asText(anyOf([a, a, never])), 'A');
  t.is(asText(anyOf([a, parseExpression('y')])), 'y');
});

test('symbols are names that are no constants', (t) => {
  t.deepEqual(symbolsOf(parseExpression('A && !(B = "y") && NR > 8 && y')), ['A', 'B', 'NR']);
});
