// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { asKilnError, KilnError } from '../errors.ts';
import { git } from '../util/git.ts';
import { type RangeSeries, readRange } from './range.ts';
import { describeChoice, readSeries } from './series.ts';

/**
 * `main`: base, one, an empty commit, two. `side`: from one. `merged`: main, side merged into it, three. `crossed`:
 * side, into which main was merged. `alone`: no history in common. Only the files' names are different.
 */
let dir: string;
let user: string;
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  user = join(dir, 'user');
  await mkdir(user);
  await git(user, ['init', '--quiet', '--template=', '--initial-branch=main']);
  const stream = [
    ...commit('main', 'base', { file: 'base' }),
    ...commit('main', 'one', { file: 'one', mark: 1 }),
    ...commit('main', 'nothing', {}),
    ...commit('main', 'two', { file: 'two' }),
    ...commit('side', 'aside', { from: ':1', file: 'aside' }),
    ...commit('merged', 'Merge side', { from: 'refs/heads/main', merge: 'side', file: 'aside' }),
    ...commit('merged', 'three', { file: 'three' }),
    ...commit('crossed', 'Merge main', { from: 'refs/heads/side', merge: 'main', file: 'two' }),
    ...commit('still', 'still', { from: 'refs/heads/main' }),
    ...commit('alone', 'alone', { file: 'alone', from: null }),
  ];
  await git(user, ['fast-import', '--quiet'], { input: `${stream.join('\n')}\n` });
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

type Parts = { mark?: number; from?: string | null; merge?: string; file?: string };

/** What fast-import reads. */
function commit(branch: string, message: string, { mark, from, merge, file }: Parts): string[] {
  return [
    ...(from === null ? [`reset refs/heads/${branch}`] : []),
    `commit refs/heads/${branch}`,
    ...(mark ? [`mark :${mark}`] : []),
    'committer Ann <ann@example.org> 86400 +0200',
    `data ${message.length}`,
    message,
    ...(from ? [`from ${from}`] : []),
    ...(merge ? [`merge refs/heads/${merge}`] : []),
    ...(file ? [`M 100644 inline ${file}`, 'data 2', 'x', ''] : []),
  ];
}

const read = (range: string, repository = user) => readRange(repository, range);
const subjects = ({ patches }: RangeSeries) => patches.map(({ subject }) => subject);
const hash = async (name: string, digits = 40) =>
  (await git(user, ['rev-parse', `--short=${digits}`, name])).stdout;

test('a range gives one patch a commit, oldest first, and says what changes nothing', async (t) => {
  const series = await readSeries(`git:${user}#main~3..main`, '/nowhere');
  t.is(series.name, 'user');
  t.deepEqual(
    series.patches.map(({ file, number, subject }) => [file, number, subject]),
    [
      ['0001-one.patch', 1, 'one'],
      ['0002-two.patch', 2, 'two'],
    ],
  );
  t.deepEqual(series.leftOut, [{ subject: 'nothing', messageId: null, reason: 'changes nothing' }]);
  t.is(describeChoice(series), 'user (left out: 1 commit: changes nothing)');
  t.is(series.baseCommit, await hash('main~3'));
  t.deepEqual(series.warnings, []);
  t.is(series.range?.commits[0]?.author, 'Ann <ann@example.org> 86400 +0200');
});

test('an end that is not there is HEAD', async (t) => {
  t.deepEqual(subjects(await read('main~2..')), ['two']);
  t.deepEqual(subjects(await read('..merged')), ['Merge side', 'three']);
});

test('a range goes along first parents, and a merge is one patch', async (t) => {
  const series = await read('main~3..merged');
  t.deepEqual(subjects(series), ['one', 'two', 'Merge side', 'three']);
  t.deepEqual(series.range.merges, ['Merge side']);
  t.is(series.range.commits[2]?.parent, await hash('main'));
});

test('a branch that merged the beginning of the range is that merge, which is said', async (t) => {
  const series = await read('main..crossed');
  t.deepEqual(subjects(series), ['Merge main']);
  t.is(series.range.commits[0]?.parent, await hash('main'));
  t.regex(series.warnings[0]!, /^the merge [0-9a-f]{12} \("Merge main"\) is one patch, with the commits/);
});

test('if B does not descend from A the range begins where they forked, which is said', async (t) => {
  const series = await read('main..side');
  t.deepEqual(subjects(series), ['aside']);
  t.is(series.range.from.commit, await hash('main~2'));
  const fork = await hash('main~2', 12);
  t.deepEqual(series.warnings, [
    `side does not descend from main: the series is what side has since they forked, at ${fork} (git:${user}#${fork}..side)`,
  ]);
});

for (const [range, message, hint] of [
  ['main..main', /^there is no commit in main\.\.main$/, /at least one commit/],
  [
    'main..main~1',
    /^there is no commit in main\.\.main~1: main~1 is an ancestor of main$/,
    /main~1\.\.main\?$/,
  ],
  ['main...side', /^main\.\.\.side has commits of both sides/, /main\.\.side$/],
  ['main..alone', /^main and alone have no common history/, /that B descends from/],
  [
    'merged..crossed',
    /^crossed does not descend from merged, and they forked at several commits/,
    /\.\.crossed$/,
  ],
  ['main..nowhere', /^no commit "nowhere" in a git repository at /, /git:DIR#A\.\.B/],
  ['--all..main', /^no commit "--all"/, /git:DIR#A\.\.B/],
  ['main:file..main', /^no commit "main:file"/, /git:DIR#A\.\.B/],
] as const)
  test(`the range ${range} is refused`, async (t) => {
    const error = await t.throwsAsync<KilnError>(read(range), { instanceOf: KilnError, message });
    t.is(error.exitCode, 2);
    t.regex(error.hint, hint);
  });

test('a range without a change, without an end, or in no repository is refused', async (t) => {
  const refused = (source: string, message: RegExp) =>
    t.throwsAsync(readSeries(source, dir), { instanceOf: KilnError, message });
  await refused(`git:${user}#main..still`, /^no patch in/);
  await refused(`git:${user}#main`, /no range in git:.*#main$/);
  await refused(`git:${user}`, /no range in git:/);
  await refused(`git:${dir}#main~1..main`, /^no commit "main" in a git repository at/);
});

test('a shallow repository is as good as what it has, and the hint says how to get more', async (t) => {
  const shallow = join(dir, 'shallow');
  await git(dir, ['clone', '--quiet', '--template=', '--depth=2', `file://${user}`, shallow]);
  t.deepEqual(subjects(await read('HEAD~1..HEAD', shallow)), ['two']);
  const deep = await t.throwsAsync<KilnError>(read('HEAD~2..HEAD', shallow), { instanceOf: KilnError });
  t.regex(deep.hint, /shallow.*git -C \S+ fetch --unshallow/);
});

test('a range in a linked worktree or a subdirectory is read', async (t) => {
  const linked = join(dir, 'linked');
  await git(user, ['worktree', 'add', '--quiet', '--detach', linked, 'merged']);
  await mkdir(join(linked, 'sub'));
  const series = await read('main..HEAD', join(linked, 'sub'));
  t.deepEqual(subjects(series), ['Merge side', 'three']);
  t.is(series.range.objects, join(user, '.git', 'objects'));
});

test('reading a range depends on no configuration and no replaced object, and writes nothing', async (t) => {
  const other = join(dir, 'other');
  await git(dir, ['clone', '--quiet', '--template=', '--no-local', '--bare', user, other]);
  const plain = await read('main~3..merged', other);
  for (const setting of ['diff.noprefix', 'format.coverLetter', 'log.showSignature', 'log.mailmap'])
    await git(other, ['config', setting, 'true']);
  await git(other, ['config', 'i18n.logOutputEncoding', 'UTF-16']);
  await git(other, ['replace', 'merged', 'alone']);
  const [tip, root] = await Promise.all(['merged', 'main~3'].map((name) => git(user, ['rev-parse', name])));
  await mkdir(join(other, 'info'), { recursive: true });
  await writeFile(join(other, 'info', 'grafts'), `${tip!.stdout} ${root!.stdout}\n`);
  const before = await bytes(other);
  t.deepEqual(await read('main~3..merged', other), plain);
  t.deepEqual(await bytes(other), before);
});

test('an abort is an interruption and no fault of the range', async (t) => {
  const error = await t.throwsAsync(readRange(user, 'main~1..main', AbortSignal.abort()));
  t.is(asKilnError(error).code, 'interrupted');
});

async function bytes(dir: string): Promise<Record<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const found = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(found.sort().map(async (path) => [path, await readFile(path, 'hex')] as const)),
  );
}
