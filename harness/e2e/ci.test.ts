// SPDX-License-Identifier: MIT
// A series whose third patch does not build alone, whose fourth adds a WARN(), and whose fifth breaks a test.
import { join } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';
import { sharedRun } from './kiln.ts';

const demo = join(paths.root, 'harness', 'fixtures', 'ci_demo');
const shared = sharedRun([join(demo, 'series'), '--tests', demo, '--no-debug', '--again'], {}, 'ci');

test('each patch has its checks, and the one that does not build is named', (t) => {
  const { exitCode, results } = shared.ran;
  t.is(exitCode, 4);
  t.deepEqual(
    results.ci!.patches.map(({ checks }) =>
      checks.filter(({ status }) => status === 'fail').map(({ name }) => name),
    ),
    [[], [], ['build'], ['tests'], ['tests']],
  );
  const [build] = results.ci!.patches[2]!.checks.filter(({ name }) => name === 'build');
  t.regex(build!.summary, /fs\/eventfd\.c.*eventfd_note_read/);
});

test('what the series breaks is new, with its patch; what failed before is not', (t) => {
  const { changes, failures } = shared.ran.results.ci!;
  const told = changes.map(({ test: name, case: one, splat, kind, patch }) => [
    name,
    splat ?? one,
    kind,
    patch,
  ]);
  t.deepEqual(told.toSorted(), [
    ['already', 'global.fdinfo_shows_the_count_in_decimal', 'failing-before', null],
    ['counter', 'counter.a_read_takes_one_of_a_semaphore', 'new-failure', 5],
    ['large', 'WARNING in eventfd_read at fs/eventfd.c', 'new-failure', 4],
  ]);
  for (const { kind, patched, base } of changes) {
    t.is(patched.failed, patched.runs);
    t.is(base.failed, kind === 'failing-before' ? base.runs : 0);
    t.true(patched.runs >= 7 && patched.runs === base.runs);
  }
  t.is(failures.length, 3);
});

test('every tree but the one that does not build has a kernel', (t) => {
  const { jobs } = shared.ran.results;
  t.deepEqual(
    jobs.map(({ id, kernel }) => [id, kernel !== null]),
    [
      ['base', true],
      ['patch-1', true],
      ['patch-2', true],
      ['patch-3', false],
      ['patch-4', true],
      ['patch-5', true],
    ],
  );
});

test('the stack of the WARN has the line that the fourth patch added', (t) => {
  const { tests } = shared.ran.results;
  const splats = tests.flatMap((one) => one.splats).filter(({ title }) => /eventfd_read/.test(title));
  const places = splats.flatMap(({ frames = [] }) => frames.flatMap(({ places }) => places));
  t.true(
    places.some(({ file, patch }) => file === 'fs/eventfd.c' && /^0004-/.test(patch ?? '')),
    JSON.stringify(places),
  );
});
