// SPDX-License-Identifier: MIT
import test from 'ava';
import type { Diagnostic } from '../../kernel/diagnostics.ts';
import type { State } from '../elsewhere/state.ts';
import { compareElsewhere } from './elsewhere.ts';

const diagnostic = (severity: Diagnostic['severity'], file: string, line: number, text: string) => ({
  ...{ severity, file, line, text },
  patch: null,
});
const warning = (line: number) => diagnostic('warning', 'fs/a.c', line, 'unused variable ‘x’');
const broken = diagnostic('error', 'fs/a.c', 3, '‘y’ undeclared');
const state = (diagnostics: Diagnostic[], failed = false, more: Partial<State> = {}): State => ({
  ...{ objects: { 'fs/a.o': { failed, diagnostics } }, others: [], trouble: null },
  ...more,
});
const nothing: State = { objects: {}, others: [], trouble: null };
const compare = (
  states: [string, State | null, State | null][],
  { missing = [], ordinary = [] }: { missing?: string[]; ordinary?: Diagnostic[] } = {},
) => {
  const given = states.map(([name, before, after]) => ({ name, before, after }));
  const { status, summary, findings } = compareElsewhere({
    sources: ['fs/a.c'],
    states: given,
    missing,
    ordinary,
  });
  return [status, summary, findings];
};

test('each variant has its result in the summary, and a diagnostic is told once', (t) => {
  t.deepEqual(
    compare(
      [
        ['i386', state([]), state([warning(7)])],
        ['arm64', state([]), state([warning(7)])],
        ['=m', state([warning(5)]), state([warning(7)])],
        ['off', nothing, nothing],
      ],
      { missing: ['no sparse'] },
    ),
    [
      'warn',
      'i386 1 new warning, arm64 1 new warning, =m ok, off not built there; no sparse',
      ['fs/a.c:7: unused variable ‘x’ (i386, arm64)'],
    ],
  );
});

test('an error fails the check, unless the parent has it, too', (t) => {
  t.deepEqual(compare([['i386', state([]), state([broken], true)]]), [
    'fail',
    'i386 1 new error',
    ['fs/a.c:3: ‘y’ undeclared (i386)'],
  ]);
  t.deepEqual(compare([['i386', state([broken], true), state([broken, warning(1)], true)]]), [
    'skip',
    'i386 fs/a.o already failed before',
    [],
  ]);
  t.deepEqual(compare([['i386', state([broken], true), state([])]])[0], 'skip');
});

test('a failure without a message is told', (t) => {
  t.deepEqual(compare([['i386', state([]), state([], true)]]), [
    'fail',
    'i386 1 new error',
    ["fs/a.o can't be made (i386)"],
  ]);
  const stopped = { ...nothing, trouble: 'a.s can’t be made' };
  t.deepEqual(compare([['i386', state([]), stopped]]), [
    'fail',
    'i386 1 new error',
    ['a.s can’t be made (i386)'],
  ]);
});

test('what could not be compiled is named', (t) => {
  t.deepEqual(compare([['arm64', { ...nothing, trouble: 'no flex' }, nothing]]), [
    'skip',
    'arm64 not possible: no flex',
    [],
  ]);
  t.deepEqual(
    compare([['arm64', null, state([])]])[1],
    'arm64 not compared: there is no build of its parent',
  );
  t.deepEqual(compare([], { missing: ['no sparse'] }), ['skip', 'no sparse', []]);
});

test('a line of a header has the object whose compiler said it', (t) => {
  const inHeader = diagnostic('warning', 'include/linux/kern_levels.h', 5, 'format ‘%lu’ expects more');
  const [, , findings] = compare([['i386', state([]), state([inHeader])]]);
  t.deepEqual(findings, ['include/linux/kern_levels.h:5: format ‘%lu’ expects more (i386, in fs/a.o)']);
});

test('what the kernel that is tested says, too, is left to its check', (t) => {
  t.deepEqual(compare([['i386', state([]), state([warning(7)])]], { ordinary: [warning(7)] })[0], 'pass');
});

test('a new file of another architecture may lack its option there', (t) => {
  const after: State = { ...nothing, objects: { 'arch/arm64/a.o': { failed: true, diagnostics: [broken] } } };
  const states = [{ name: 'arm64', before: nothing, after }];
  const result = compareElsewhere({ sources: ['arch/arm64/a.c'], states, missing: [], ordinary: [] });
  t.deepEqual([result.status, result.findings], ['skip', []]);
  const known: State = { ...nothing, objects: { 'arch/arm64/a.o': { failed: false, diagnostics: [] } } };
  const judged = { sources: ['arch/arm64/a.c'], states: [{ name: 'arm64', before: known, after }] };
  t.is(compareElsewhere({ ...judged, missing: [], ordinary: [] }).status, 'fail');
});
