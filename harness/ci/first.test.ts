// SPDX-License-Identifier: MIT
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { barePatch } from '../series/patch.ts';
import { bareSeries, type Series } from '../series/series.ts';
import { exampleCi } from '../testing/exampleCi.ts';
import { describeFirst, identityOf, readFirst, storeFirst } from './first.ts';

async function cacheOf(t: ExecutionContext): Promise<string> {
  const cache = await mkdtemp(join(tmpdir(), 'kiln-first-'));
  t.teardown(() => rm(cache, { recursive: true, force: true }));
  return cache;
}

function series(subject: string, more: Partial<Series> = {}): Series {
  const patch = { ...barePatch('0001.patch', Buffer.alloc(0)), subject };
  return { ...bareSeries('s', '/s', [patch]), ...more };
}

const { changes } = exampleCi().ci!;

test('versions of a series are known by their change-id, else by their subject', (t) => {
  const cover = { subject: '[PATCH v2 0/3] demo: count the users', messageId: null, from: '' };
  t.is(identityOf(series('[PATCH v3 1/2] fs: Fix it')), identityOf(series('[RFC] fs: fix it')));
  t.not(identityOf(series('[PATCH] fs: fix it')), identityOf(series('[PATCH] fs: fix that')));
  t.is(identityOf(series('x', { cover })), identityOf(series('[PATCH] demo: count the users')));
  t.is(identityOf(series('a', { changeId: '1-x' })), identityOf(series('b', { changeId: '1-x' })));
  t.not(identityOf(series('a', { changeId: '1-x' })), identityOf(series('a')));
  t.is(identityOf(series('')), null);
});

test('what a version breaks is known to the next one, until a run breaks nothing', async (t) => {
  const cache = await cacheOf(t);
  const [v2, v3] = [2, 3].map((revision) => series(`[PATCH v${revision}] fs: fix it`, { revision }));
  t.is(await readFirst(cache, v2!), null);
  await storeFirst(cache, v2!, changes, t.fail);
  const first = await readFirst(cache, v3!);
  t.deepEqual(first, { revision: 2, tests: ['demo/races'] });
  t.is(await readFirst(cache, series('[PATCH] fs: another')), null);
  await storeFirst(cache, v3!, [], t.fail);
  t.is(await readFirst(cache, v3!), null);
});

test('a record that is damaged or can not be written is no error', async (t) => {
  const cache = await cacheOf(t);
  const one = series('fs: fix it');
  await storeFirst(cache, one, changes, t.fail);
  const [file] = await readdir(join(cache, 'known', 'first'));
  for (const text of ['{', '[]', '{"revision": 2}', '{"revision": 2, "tests": [3]}']) {
    await writeFile(join(cache, 'known', 'first', file!), text);
    t.is(await readFirst(cache, one), null);
  }
  const full = join(await cacheOf(t), 'cache');
  await writeFile(full, '');
  const notes: string[] = [];
  await storeFirst(full, one, changes, (text) => void notes.push(text));
  t.regex(notes.join(), /^the next version will not run first what fails in this one: /);
  t.is(await readFirst(full, one), null);
  await storeFirst(cache, series(''), changes, t.fail);
});

test('the line says which version failed what', (t) => {
  const tests = ['a/b', 'c/d', 'e/f', 'g/h'];
  t.is(
    describeFirst({ revision: 2, tests }, tests),
    'first: what v2 failed: 4 tests (a/b, c/d, e/f and 1 more)',
  );
  t.is(describeFirst({ revision: null, tests }, ['a/b']), 'first: what the last run failed: 1 test (a/b)');
});
