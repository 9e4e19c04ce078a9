// SPDX-License-Identifier: MIT
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { splitMbox } from '../series/mailbox.ts';
import { fromMails, readSeries, type Series } from '../series/series.ts';
import { quietContext } from '../testing/context.ts';
import { madeBox } from '../testing/mails.ts';
import { git } from '../util/git.ts';
import { type BaseRequest, chooseBase } from './chooseBase.ts';

/**
 * A user's repository. The series was made on `made`: it changes line 10 of a and of b. On main, line 2 of b and then
 * line 10 of a change later. `topic` has what the series was made on, and `merged` the series itself.
 */
let dir: string;
let repo: string;
let context: Context;
const commits = new Map<string, string>();

/** A file of 30 lines, some of which are changed. */
function file(word: string, changes: Record<number, string> = {}): string {
  return Array.from({ length: 30 }, (_, index) => `${changes[index + 1] ?? `${word}${index + 1}`}\n`).join(
    '',
  );
}

const states: { name: string; parent: string; files: Record<string, string> }[] = [
  { name: 'old', parent: '', files: { a: file('a', { 10: 'old' }), b: file('b'), Makefile: 'all:\n' } },
  { name: 'made', parent: 'old', files: { a: file('a') } },
  { name: 'later', parent: 'made', files: { c: file('c') } },
  { name: 'moved', parent: 'later', files: { b: file('b', { 2: 'moved' }) } },
  { name: 'main', parent: 'moved', files: { a: file('a', { 10: 'other' }) } },
  { name: 'first', parent: 'old', files: { b: file('b', { 25: 'first' }) } },
  { name: 'topic', parent: 'first', files: { a: file('a') } },
  { name: 'merged', parent: 'made', files: { a: file('a', { 10: 'ten' }), b: file('b', { 10: 'ten' }) } },
];

test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  repo = join(dir, 'linux');
  await mkdir(repo);
  context = quietContext(join(dir, 'cache'));
  await git(repo, ['init', '--quiet', '--template=', '--initial-branch=main']);
  const who = (at: number) => `committer Ann <ann@example.org> ${1_700_000_000 + at * 60} +0000`;
  const data = (text: string) => `data ${text.length}\n${text}`;
  const stream = states.map(({ name, parent, files }, at) =>
    [
      `commit refs/heads/${name}`,
      who(at),
      data(name),
      ...(parent === '' ? [] : [`from refs/heads/${parent}`]),
      ...Object.entries(files).map(([path, text]) => `M 100644 inline ${path}\n${data(text)}`),
      '',
    ].join('\n'),
  );
  await git(repo, ['fast-import', '--quiet'], { input: stream.join('') });
  const refs = await git(repo, ['for-each-ref', '--format=%(refname:short) %(objectname)']);
  for (const line of refs.stdout.split('\n')) commits.set(...(line.split(' ') as [string, string]));
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

/** A diff of line 10 of a file. @param from what the file was */
function changesTen(path: string, from = file(path), to = 'ten'): string {
  const blob = createHash('sha1').update(`blob ${from.length}\0${from}`).digest('hex').slice(0, 12);
  const lines = from.split('\n').slice(6, 13);
  const [old] = lines.splice(3, 1);
  const hunk = [...lines.slice(0, 3).map((line) => ` ${line}`), `-${old}`, `+${to}`];
  return [
    `diff --git a/${path} b/${path}\nindex ${blob}..${'1'.repeat(12)} 100644\n--- a/${path}\n+++ b/${path}\n`,
    `@@ -7,7 +7,7 @@\n${[...hunk, ...lines.slice(3).map((line) => ` ${line}`)].join('\n')}\n`,
  ].join('');
}

/** A thread: a cover letter, and a patch for each diff. @param lines the last ones of the cover letter */
function thread(lines: string[] = [], diffs = [changesTen('a'), changesTen('b')]): Series {
  const cover = { subject: `[PATCH 0/${diffs.length}] s`, body: ['Why.\n', ...lines, ''].join('\n') };
  const patches = diffs.map((diff, index) => ({
    subject: `[PATCH ${index + 1}/${diffs.length}] ${index + 1}`,
    body: `Why.\n---\n${diff}-- \n2.39.5\n`,
  }));
  const { series, refusal } = fromMails('s', 's.mbox', splitMbox(madeBox([cover, ...patches])), {});
  if (refusal) throw refusal;
  return series;
}

async function choose(series: Series, request: Partial<BaseRequest>) {
  const whole = { asked: [], repo: null, fallback: 'tar:default.tar', before: [], ...request };
  const { source, how, reason } = await chooseBase(series, whole, context);
  const commit = source.replace(`git:${repo}#`, '');
  const name = [...commits].find(([, hash]) => hash === commit)?.[0] ?? source;
  return [name, how, reason.replaceAll(repo, 'DIR')];
}

const at = (name: string) => `git:${repo}#${name}`;
const refused = async (series: Series, request: Partial<BaseRequest>) =>
  (await choose(series, request).then(
    (chosen) => new Error(`chose ${chosen.join(' ')}`),
    (error: unknown) => error,
  )) as KilnError;

const strange = '0123456789abcdef'.padEnd(40, '0');

test('one --base is taken as it is', async (t) => {
  const asked = ['tar:never.tar'];
  t.deepEqual(await choose(thread([`base-commit: ${commits.get('made')}`]), { asked, repo }), [
    'tar:never.tar',
    'asked',
    'given with --base',
  ]);
});

test('the commit that the cover letter or a patch names, if the repository has it', async (t) => {
  const made = commits.get('made')!;
  const reason = 'base-commit of the cover letter';
  t.deepEqual(await choose(thread([`base-commit: ${made}`]), { repo }), ['made', 'base-commit', reason]);
  const short = thread([], [changesTen('a'), `${changesTen('b')}-- \n\nbase-commit: ${made.slice(0, 12)}\n`]);
  t.deepEqual(await choose(short, { repo }), ['made', 'base-commit', 'base-commit of 2/2']);
});

test('without --repo the default is taken, and the reason says what was not looked for', async (t) => {
  t.deepEqual(await choose(thread([`base-commit: ${strange}`]), {}), [
    'tar:default.tar',
    'default',
    'the default; base-commit 0123456789ab was not looked up: no --repo was given',
  ]);
  t.deepEqual(await choose(thread(), {}), [
    'tar:default.tar',
    'default',
    'the default; the series has no base-commit; no --repo was given',
  ]);
});

test('the newest commit with the blobs, if the commit that the series names is not there', async (t) => {
  t.deepEqual(await choose(thread([`base-commit: ${strange}`]), { repo }), [
    'later',
    'blobs',
    'the newest commit in DIR with the blobs of all 2 files; base-commit 0123456789ab is not in DIR',
  ]);
});

test('a commit on which the series does not apply is passed over, with the reason', async (t) => {
  t.deepEqual(await choose(thread([`base-commit: ${commits.get('old')}`]), { repo }), [
    'later',
    'blobs',
    `the newest commit in DIR with the blobs of all 2 files; base-commit ${commits.get('old')!.slice(0, 12)} is in DIR, but 0001-1.patch does not apply on it`,
  ]);
});

test('blobs that no commit has, or that the diffs do not name, decide nothing', async (t) => {
  const never = thread([], [changesTen('a', file('a', { 20: 'never' }))]);
  t.deepEqual(await choose(never, { repo }), [
    'tar:default.tar',
    'default',
    `the default; the series has no base-commit; DIR does not have the blob ${/index (\w+)/.exec(changesTen('a', file('a', { 20: 'never' })))![1]} of a`,
  ]);
  const bare = thread([], [changesTen('a').replace(/^index .*\n/m, '')]);
  const [, , reason] = await choose(bare, { repo });
  t.is(
    reason,
    'the default; the series has no base-commit; the blobs of a are not known: no index line in the diff',
  );
});

test('prerequisites are found on the commit that the series names', async (t) => {
  const ids = await patchIds('first', 'topic');
  const lines = [`base-commit: ${commits.get('old')}`, ...ids.map((id) => `prerequisite-patch-id: ${id}`)];
  const diffs = [changesTen('a'), changesTen('b', file('b', { 25: 'first' }))];
  t.deepEqual(await choose(thread(lines, diffs), { repo }), [
    'topic',
    'base-commit',
    'base-commit of the cover letter, with its 2 prerequisites',
  ]);
});

test('prerequisites that are missing are named, and --with can bring them', async (t) => {
  const [first] = await patchIds('first');
  const change = changesTen('a', file('a', { 10: 'old' }), 'a10');
  const [second] = await patchIdsIn(change);
  const base = commits.get('old')!;
  const lines = [
    `base-commit: ${base}`,
    `prerequisite-patch-id: ${first}`,
    `prerequisite-patch-id: ${second}`,
  ];
  const diffs = [changesTen('a', file('a'), 'twelve')];
  const alone = thread([...lines.slice(0, 2), `prerequisite-patch-id: ${strange}`], diffs);
  t.deepEqual(await choose(alone, { repo }), [
    'topic',
    'blobs',
    `the newest commit in DIR with the blob of the file; base-commit ${base.slice(0, 12)} is in DIR, but not on it: prerequisite-patch-id 0123456789ab (git fetch what has them, or give them with --with)`,
  ]);
  const before = [{ ...thread([], [change]), name: 'before' }];
  const [name, how] = await choose(thread(lines, diffs), { repo, before });
  t.deepEqual([name, how], ['first', 'base-commit']);
});

test('a prerequisite that only b4 knows is missing', async (t) => {
  const series = thread([
    `base-commit: ${commits.get('made')}`,
    'prerequisite-change-id: 20260101-x-0123:v2',
  ]);
  const [name, , reason] = await choose(series, { repo });
  t.is(name, 'later');
  t.regex(reason!, /is in DIR, but not on it: prerequisite-change-id 20260101-x-0123:v2 /);
});

test('of several --base the first on which the series applies', async (t) => {
  t.deepEqual(await choose(thread(), { asked: [at('merged'), at('main'), at('moved'), at('made')] }), [
    at('moved'),
    'candidate',
    'the newest of 4 candidates on which it applies; git:DIR#merged has 0001-1.patch already; 0001-1.patch does not apply to git:DIR#main; the series has no base-commit; no --repo was given',
  ]);
});

test('of several --base none: each says why, and what has the series already is named', async (t) => {
  const error = await refused(thread(), { asked: [at('merged'), at('main')] });
  t.is(error.code, 'does-not-apply');
  t.is(
    error.message.replaceAll(repo, 'DIR'),
    's applies to none of 2 candidates for its base; git:DIR#merged has 0001-1.patch already',
  );
  t.is(error.details.cause, 'already-applied');
  t.regex(error.hint, /#merged: s: 0001-1\.patch \(1\/2\) is already in this base, and so are all other/);
  t.regex(error.hint, /\n.*#main: s: 0001-1\.patch \(1\/2\) does not apply: a, hunk/);
});

test('what no other base would mend ends the search: a damaged patch, a base that is none', async (t) => {
  const damaged = thread([], [changesTen('a').replace(' a12\n', '')]);
  const asked = [at('main'), at('made')];
  const error = await refused(damaged, { asked });
  t.regex(error.message, /^s: 0001-1\.patch \(1\/1\) is damaged: /);
  t.is((await refused(thread(), { asked: ['nothing', at('made')] })).code, 'usage');
});

test('a directory that is no repository is refused', async (t) => {
  const error = await refused(thread(), { repo: dir });
  t.true(error instanceof KilnError, String(error));
  t.is(error.code, 'bad-input');
  t.is(error.message, `there is no git repository at ${dir}`);
  const beside = await refused(thread(), { asked: [at('made')], repo: dir });
  t.is(beside.message, error.message);
});

test('a range is tested on the commit that it was made on', async (t) => {
  const range = await readSeries(`git:${repo}#made..merged`, '/nowhere');
  t.deepEqual(await choose(range, { asked: [at('main'), at('moved')] }), [
    'made',
    'base-commit',
    'the commit that the range was made on',
  ]);
});

async function patchIds(...names: string[]): Promise<string[]> {
  const shown = await git(repo, ['show', '--format=commit %H', ...names]);
  return patchIdsIn(shown.stdout);
}

async function patchIdsIn(input: string): Promise<string[]> {
  const { stdout } = await git(repo, ['patch-id', '--stable'], { input });
  return stdout.split('\n').map((line) => line.split(' ')[0]!);
}
