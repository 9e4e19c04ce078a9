// SPDX-License-Identifier: MIT
import test from 'ava';
import { readCaseList } from './caseList.ts';

const row = (fixture: string, variant: string, name: string) =>
  `${fixture.padEnd(20)} ${variant.padEnd(25)} ${name}`;
const head = row('# FIXTURE', 'VARIANT', 'TEST');
const ruler = '-'.repeat(80);

test('cases without a fixture', (t) => {
  t.deepEqual(readCaseList(`${head}\n${row('global', '', 'one')}\n${row('', '', 'two')}\n`), [
    'global.one',
    'global.two',
  ]);
});

test('every variant has every test; the columns are independent lists', (t) => {
  const text = [
    head,
    row('global', '', 'one'),
    ruler,
    row('mount', 'ro', 'opens'),
    row('', 'rw', 'reads'),
    row('', '', 'closes'),
    '',
  ].join('\n');
  t.deepEqual(readCaseList(text), [
    'global.one',
    'mount.ro.opens',
    'mount.ro.reads',
    'mount.ro.closes',
    'mount.rw.opens',
    'mount.rw.reads',
    'mount.rw.closes',
  ]);
});

test('more variants than tests, and names wider than their column', (t) => {
  const fixture = 'a_fixture_with_a_rather_long_name';
  const variant = 'a_variant_with_a_rather_long_name';
  const text = [head, row(fixture, variant, 'test'), row('', 'short', '')].join('\n');
  t.deepEqual(readCaseList(text), [`${fixture}.${variant}.test`, `${fixture}.short.test`]);
});

test('text that is no list', (t) => {
  t.is(readCaseList(''), null);
  t.is(readCaseList('TAP version 13\n1..1\nok 1 one\n'), null);
  t.is(readCaseList(`${head}\n`), null);
});
