// SPDX-License-Identifier: MIT
import test from 'ava';
import { matches, parseQuery, type Subject, wantedText } from './filter.ts';

const subject: Subject = {
  suite: ['srvfs'],
  test: ['races'],
  verdict: ['fail', 'pass'],
  state: ['new-failure'],
  job: ['base', 'patch-12'],
  patch: ['2', '0002-srvfs-count.patch'],
  splat: ['warning in srvfs_put'],
  text: () => 'srvfs/races global.close_twice expected 0 (0)',
};

function isShown(query: string): boolean {
  return matches(parseQuery(query).terms, subject);
}

test('each word has to be found', (t) => {
  t.true(isShown(''));
  t.true(isShown('suite:srv verdict:fail close'));
  t.false(isShown('suite:srv verdict:crash'));
  t.false(isShown('suite:srv nowhere'));
});

test('one of several values is enough, and a minus asks for none', (t) => {
  t.true(isShown('verdict:crash,fail'));
  t.false(isShown('-verdict:fail'));
  t.true(isShown('-verdict:crash -nowhere'));
});

test('a number of a patch is that patch, a word is part of its name', (t) => {
  t.true(isShown('patch:2'));
  t.false(isShown('patch:1'));
  t.false(isShown('patch:0002'));
  t.true(isShown('patch:count'));
});

test('a verdict is meant whole, a job is not', (t) => {
  t.false(isShown('verdict:fa'));
  t.true(isShown('job:patch-1'));
});

test('quotes keep words together, and case does not matter', (t) => {
  t.true(isShown('splat:"WARNING in srvfs"'));
  t.true(isShown('"expected 0 (0)"'));
  t.false(isShown('"0 expected"'));
});

test('what is being typed hides nothing', (t) => {
  t.true(isShown('suite:'));
  t.true(isShown('verdict:fail suite:'));
  t.true(isShown('"close_tw'));
});

test('a key that is none is searched as text, and said', (t) => {
  t.deepEqual(parseQuery('color:red').unknown, ['color']);
  t.deepEqual(wantedText(parseQuery('color:red suite:a b -c').terms), ['color:red', 'b']);
});
