// SPDX-License-Identifier: MIT
import test from 'ava';
import type { Diagnostic } from '../../kernel/diagnostics.ts';
import { newWarnings } from './warnings.ts';

const warning = (file: string, line: number, text: string): Diagnostic => ({
  severity: 'warning',
  file,
  line,
  text,
  patch: null,
});
const unused = 'unused variable ‘x’ [-Wunused-variable]';

test('a warning that added lines moved is not new', (t) => {
  const result = newWarnings([warning('fs/a.c', 10, unused)], [warning('fs/a.c', 14, unused)]);
  t.deepEqual([result.status, result.summary], ['pass', 'no new warning, 0 gone, 1 before']);
});

test('the same warning in another file is new, as after a change of a header', (t) => {
  const result = newWarnings(
    [warning('fs/a.c', 10, unused)],
    [warning('fs/a.c', 10, unused), warning('mm/b.c', 7, unused)],
  );
  t.deepEqual([result.status, result.summary], ['warn', '1 new warning, 0 gone, 1 before']);
  t.deepEqual(result.findings, [`mm/b.c:7: ${unused}`]);
});

test('of two equal warnings in a file, the one that was not there is told', (t) => {
  const result = newWarnings(
    [warning('fs/a.c', 10, unused)],
    [warning('fs/a.c', 5, unused), warning('fs/a.c', 10, unused)],
  );
  t.deepEqual(result.findings, [`fs/a.c:5: ${unused}`]);
});

test('a warning that goes does not pay for another one', (t) => {
  const result = newWarnings([warning('fs/a.c', 10, unused)], [warning('fs/a.c', 10, 'other')]);
  t.deepEqual([result.status, result.summary], ['warn', '1 new warning, 1 gone, 1 before']);
});

test('a frame that is another size, and the counter of a generated name, make no new warning', (t) => {
  const frame = (size: number) =>
    `the frame size of ${size} bytes is larger than 1024 bytes [-Wframe-larger-than=]`;
  const id = (count: number) => `‘__UNIQUE_ID_x_${count}’ defined but not used`;
  const before = [warning('fs/a.c', 10, frame(1040)), warning('fs/a.c', 20, id(7))];
  t.is(
    newWarnings(before, [warning('fs/a.c', 10, frame(1104)), warning('fs/a.c', 22, id(19))]).status,
    'pass',
  );
});

test('errors are the build’s', (t) => {
  const error: Diagnostic = { ...warning('fs/a.c', 1, 'expected ‘;’'), severity: 'error' };
  t.is(newWarnings([], [error]).status, 'pass');
});

test('without a build of the patch or its parent there is nothing to compare', (t) => {
  t.deepEqual(
    [newWarnings(null, []), newWarnings([], null)].map(({ status, summary }) => `${status}: ${summary}`),
    ['skip: there is no build of its parent', 'skip: there is no build of the patch'],
  );
});
