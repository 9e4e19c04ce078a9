// SPDX-License-Identifier: MIT
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { quietContext } from '../testing/context.ts';
import { git } from '../util/git.ts';
import { findStack, patchIdsOfMails } from './patchIds.ts';

/** `base`; on it `one two series` of a topic, and of main `other one two`. */
let dir: string;
const run = async (...args: string[]) => (await git(dir, args)).stdout;
/** The ids that git format-patch writes into the last commit's mail. */
let ids: string[];
const text = (word: string) => Array.from({ length: 20 }, (_, line) => `${word} ${line}\n`).join('');
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  await run('init', '--quiet', '--template=', '--initial-branch=main');
  const commit = async (name: string, path: string, content: string) => {
    await writeFile(join(dir, path), content, 'latin1');
    await run('add', '--all');
    await run('commit', '--quiet', '--message', name);
    await run('tag', name.replaceAll(' ', '-'));
  };
  await commit('base', 'a', text('a'));
  await run('checkout', '--quiet', '-b', 'topic');
  await commit('one', 'a', text('a').replace('a 3\n', 'a \xe9\n'));
  await run('mv', 'a', 'b');
  await commit('two', 'b', text('a').replace('a 3\n', 'a \xe9\n').replace('a 17\n', 'seventeen\n'));
  await commit('series', 'c', 'c\n');
  await run('checkout', '--quiet', 'main');
  await commit('other', 'd', 'd\n');
  for (const pick of ['one', 'two']) await run('cherry-pick', pick);
  const mail = await run('format-patch', '--base=base', '--stdout', 'series~1..series');
  ids = [...mail.matchAll(/^prerequisite-patch-id: (.*)$/gm)].map(([, id]) => id!);
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

const hash = (name: string) => run('rev-parse', `${name}^{commit}`);
const find = async (base: string, patchIds: string[]) =>
  findStack(dir, await hash(base), patchIds, quietContext(dir));

test('patches are found on their base in any order, renames and other encodings too', async (t) => {
  t.is(ids.length, 2);
  const stack = { commit: await hash('two'), missing: [] };
  t.deepEqual(await find('base', ids), stack);
  t.deepEqual(await find('base', ids.toReversed()), stack);
  t.deepEqual(await find('other', ids), { commit: await hash('main'), missing: [] });
  t.deepEqual(await find('base', []), { commit: await hash('base'), missing: [] });
});

test('an id of a mail is that of the commit', async (t) => {
  const mail = await run('format-patch', '--stdout', 'two~1..two');
  const { stdout } = await git(dir, ['patch-id', '--stable'], { input: mail });
  const id = stdout.split(' ')[0]!;
  t.not(id, ids[1]);
  t.is((await find('one', [id])).commit, await hash('two'));
  const mails = [await run('format-patch', '--stdout', 'one~1..one'), mail].map((one) => Buffer.from(one));
  const found = await patchIdsOfMails(dir, mails, quietContext(dir));
  t.true(found.has(id) && found.has(ids[1]!));
});

test('what is not there, or has another commit below it, is missing', async (t) => {
  const strange = '1'.repeat(40);
  t.deepEqual(await find('base', [ids[0]!, strange]), { commit: await hash('one'), missing: [strange] });
  t.deepEqual(await find('base', [ids[1]!]), { commit: await hash('base'), missing: [ids[1]] });
});
