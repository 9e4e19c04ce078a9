// SPDX-License-Identifier: MIT
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { git } from '../../util/git.ts';
import { type FixedCommits, findFixed, fixedHashes, judgeFixes } from './fixes.ts';
import { judgeTags, type Message, readPerson, tagsOf } from './tags.ts';

const ann = { name: 'Ann Author', address: 'ann@example.org' };
const nothing: FixedCommits = { found: new Map(), reason: 'no repository' };
const message = (text: string, more: Partial<Message> = {}): Message => ({
  author: ann,
  sender: ann,
  text: `fs: do it\n\nBecause.\n\n${text}\n`,
  ...more,
});
const brief = ({ status, summary }: { status: string; summary: string }) => `${status}: ${summary}`;

test('the author’s Signed-off-by is enough', (t) => {
  const result = judgeTags(message('Signed-off-by: Ann Author <ann@example.org>'), nothing);
  t.is(brief(result), 'pass: signed off by Ann Author <ann@example.org>');
  t.deepEqual(result.findings, []);
});

test('no Signed-off-by, or only another one’s, fails', (t) => {
  t.is(brief(judgeTags(message(''), nothing)), 'fail: there is no Signed-off-by');
  t.is(
    brief(judgeTags(message('Signed-off-by: Bob <bob@example.org>'), nothing)),
    'fail: there is no Signed-off-by of the author, Ann Author <ann@example.org>',
  );
});

test('another spelling of the author warns', (t) => {
  const of = (tag: string) => brief(judgeTags(message(`Signed-off-by: ${tag}`), nothing));
  t.is(
    of('A. Author <ann@example.org>'),
    'warn: the author is Ann Author <ann@example.org>, the Signed-off-by A. Author <ann@example.org>',
  );
  t.regex(of('Ann Author <ann@elsewhere.org>'), /^warn: the author is/);
  t.regex(of('Ann Author <ANN@example.org>'), /^pass: /);
  t.regex(of('"Ann Author" <ann@example.org>'), /^pass: /);
});

test('the best of several Signed-off-by counts', (t) => {
  const both = 'Signed-off-by: A <ann@example.org>\nSigned-off-by: Ann Author <ann@example.org>';
  t.is(judgeTags(message(both), nothing).status, 'pass');
});

test('a sender who is not the author signs off, too', (t) => {
  const sender = { name: 'Sam Sender', address: 'sam@example.org' };
  const own = 'Signed-off-by: Ann Author <ann@example.org>';
  t.is(
    brief(judgeTags(message(own, { sender }), nothing)),
    'warn: there is no Signed-off-by of the sender, Sam Sender <sam@example.org>',
  );
  const both = `${own}\nSigned-off-by: Sam Sender <sam@example.org>`;
  t.is(judgeTags(message(both, { sender }), nothing).status, 'pass');
  t.is(judgeTags(message(own, { sender: null }), nothing).status, 'pass');
});

test('a bare diff has nobody who could sign off', (t) => {
  const author = { name: 'unknown', address: 'unknown@localhost' };
  t.is(judgeTags({ author, sender: null, text: 'fix.diff\n' }, nothing).status, 'skip');
});

test('a person is read as headers and tags have them', (t) => {
  t.deepEqual(readPerson('"Doe, Jane" <j@x.org>'), { name: 'Doe, Jane', address: 'j@x.org' });
  t.deepEqual(readPerson('Jane  Doe\t<j@x.org> # work'), { name: 'Jane Doe', address: 'j@x.org' });
  t.deepEqual(readPerson('j@x.org'), { name: '', address: 'j@x.org' });
});

test('a tag is a line that begins with it', (t) => {
  t.deepEqual(tagsOf('fixes: a\n Fixes: b\nThis Fixes: c\nFixes:d \n', 'Fixes'), ['a', 'd']);
});

const digits = '0123456789ab';
const fixed = (...commits: { subject: string; inBase: boolean | null }[]): FixedCommits => ({
  found: new Map([[digits, commits]]),
  reason: '',
});
const judge = (tag: string, known: FixedCommits = nothing) =>
  judgeFixes(tag, known).map(({ status, text }) => `${status}: ${text}`);

test('Fixes: has 12 digits and a subject in quotes', (t) => {
  t.deepEqual(judge(`${digits} ("fs: do it")`), []);
  t.deepEqual(judge('0123456 ("fs: do it")'), [
    'warn: "Fixes: 0123456 ("fs: do it")" has 7 hex digits, not 12',
  ]);
  for (const tag of [digits, `commit ${digits} ("x")`, `${digits} (x)`, `${digits} ("a subject that`, ''])
    t.regex(judge(tag)[0]!, /^warn: .*is not of the form/, tag);
});

test('Fixes: names a commit of the base with that subject', (t) => {
  const tag = `${digits} ("fs: do it")`;
  t.deepEqual(judge(tag, fixed({ subject: 'fs:  do it', inBase: true })), []);
  t.deepEqual(judge(tag, fixed({ subject: 'fs: do it', inBase: null })), []);
  t.deepEqual(judge(tag, fixed()), [`fail: "Fixes: ${tag}" names no commit`]);
  t.deepEqual(judge(tag, fixed({ subject: 'mm: other', inBase: true })), [
    `fail: "Fixes: ${tag}" names a commit with another subject: "mm: other"`,
  ]);
  t.deepEqual(judge(tag, fixed({ subject: 'fs: do it', inBase: false })), [
    `fail: "Fixes: ${tag}" names a commit that the base does not have`,
  ]);
});

test('what was not looked up is said, and does not fail', (t) => {
  const text = `Fixes: ${digits} ("fs: do it")\nSigned-off-by: Ann Author <ann@example.org>`;
  t.is(
    brief(judgeTags(message(text), nothing)),
    'pass: signed off by Ann Author <ann@example.org>; 1 Fixes: tag not looked up: no repository',
  );
});

async function repository(
  t: ExecutionContext,
): Promise<{ dir: string; hash: (name: string) => Promise<string> }> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  await git(dir, ['init', '--quiet', '-b', 'main']);
  const commit = async (subject: string) => {
    await writeFile(join(dir, 'file'), subject);
    await git(dir, ['add', 'file']);
    await git(dir, ['commit', '--quiet', '-m', subject]);
  };
  await commit('fs: one');
  await commit('fs: two');
  await git(dir, ['checkout', '--quiet', '-b', 'side', 'HEAD^']);
  await commit('fs: aside');
  return { dir, hash: async (name) => (await git(dir, ['rev-parse', name])).stdout };
}

test('commits are found in a real repository', async (t) => {
  const { dir, hash } = await repository(t);
  const [base, one, aside, tree] = await Promise.all(['main', 'main^', 'side', 'main^{tree}'].map(hash));
  const asked = [one!, aside!, tree!, '000000000000'].map((name) => name.slice(0, 12));
  const { signal } = new AbortController();
  const { found } = await findFixed({ gitDir: dir, base: base! }, asked, signal);
  t.deepEqual(
    asked.map((name) => found.get(name)),
    [[{ subject: 'fs: one', inBase: true }], [{ subject: 'fs: aside', inBase: false }], [], []],
  );
  const unknown = await findFixed({ gitDir: dir, base: null }, [asked[1]!], signal);
  t.deepEqual(unknown.found.get(asked[1]!), [{ subject: 'fs: aside', inBase: null }]);
  // The base may be of another repository than --repo.
  const foreign = await findFixed({ gitDir: dir, base: '1'.repeat(40) }, [asked[1]!], signal);
  t.deepEqual(foreign.found.get(asked[1]!), [{ subject: 'fs: aside', inBase: null }]);
});

test('a shallow repository can’t say that a commit is missing', async (t) => {
  const { dir, hash } = await repository(t);
  const one = (await hash('main^')).slice(0, 12);
  const base = await hash('main');
  const shallow = `${dir}/shallow`;
  await git(dir, ['clone', '--quiet', '--depth', '1', '--branch', 'main', `file://${dir}`, shallow]);
  const { found, reason } = await findFixed({ gitDir: shallow, base }, [one], new AbortController().signal);
  t.deepEqual([found.get(one), reason], [null, 'the repository is shallow']);
});

test('only well-formed tags are looked up', (t) => {
  t.deepEqual(fixedHashes([`${digits.toUpperCase()} ("a")`, 'a bug', digits]), [digits]);
});
