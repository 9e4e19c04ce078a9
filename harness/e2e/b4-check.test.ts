// SPDX-License-Identifier: MIT
// `kiln ci --b4-check`, called as b4 calls it: in a work tree, with one mail on standard input. No patch of the series
// applies, so nothing is built.
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import { kiln } from './kiln.ts';
import { toy } from './toy.ts';

type Check = { tool: string; status: string; summary: string; details?: string };

function mail(number: number, total = 2): string {
  const diff = ['--- a/none.c', '+++ b/none.c', '@@ -1 +1 @@', '-int a;', '+int b;', ''].join('\n');
  return [
    ...['From: Ann <ann@example.org>', 'Date: Fri, 2 Jan 2026 10:00:00 +0000'],
    ...[`Message-ID: <${number}@example.org>`, ...(number > 1 ? ['In-Reply-To: <1@example.org>'] : [])],
    ...[`Subject: [PATCH v3 ${number}/${total}] none: step ${number}`, '', 'Text.', '', '---'],
    `diff --git a/none.c b/none.c\n${diff}`,
  ].join('\n');
}

/** A work tree with a thread, as b4 stores it, and calls of kiln there. */
async function review(t: ExecutionContext) {
  const { dir, source, cache } = await toy(t);
  const box = [mail(1), mail(2)].map((text) => `From mboxrd@z Thu Jan  1 00:00:00 1970\n${text}\n`).join('');
  const { stdout: blob } = await exec('git', ['hash-object', '-w', '--stdin'], { cwd: source, input: box });
  const { stdout: commit } = await git(source, ['rev-parse', 'base']);
  const tracking = join(dir, 'tracking.json');
  const series = {
    ...{ 'change-id': '20260102-none-1', revision: 3, 'thread-blob': blob, 'base-commit': commit },
    'first-patch-commit': '1'.repeat(40),
  };
  await writeFile(tracking, JSON.stringify({ series, patches: [] }));
  const env = { XDG_CACHE_HOME: cache, TMPDIR: join(dir, 'tmp'), B4_TRACKING_FILE: tracking };
  const call = (input: string, more: Record<string, string> = {}, words: string[] = []) =>
    kiln(['ci', '--b4-check', '--no-debug', ...words], { cwd: source, env: { ...env, ...more }, input });
  const runs = async () => (await readdir(join(cache, 'kiln', 'runs'))).filter((name) => /^\d/.test(name));
  return { call, runs, source, commit };
}

const read = (stdout: string) => JSON.parse(stdout) as Check[];

test('one run answers for all mails of a series, and a mail that is asked for again starts another', async (t) => {
  const { call, runs, source, commit } = await review(t);
  const first = await call(mail(1));
  t.is(first.exitCode, 0, first.stderr);
  t.like(read(first.stdout)[0], { tool: 'kiln-apply', status: 'fail' });
  t.regex(read(first.stdout)[0]!.summary, /none\.c/);
  t.true(first.stderr.includes(`base git:${source}#${commit}: `), first.stderr);
  t.is((await runs()).length, 1);

  const second = await call(mail(2));
  t.deepEqual(read(second.stdout), [
    { tool: 'kiln-apply', status: 'pass', summary: 'not checked: patch 1 does not apply' },
  ]);
  t.regex(second.stderr, /^kiln: the results of run \S+$/);
  t.is((await runs()).length, 1);

  t.deepEqual(read((await call(mail(1))).stdout), read(first.stdout));
  t.is((await runs()).length, 2);
});

test('without a file of b4, a single mail is its own series', async (t) => {
  const { call, runs, source } = await review(t);
  const base = ['--base', `git:${source}#base`];
  const { exitCode, stdout, stderr } = await call(mail(1, 1), { B4_TRACKING_FILE: '' }, base);
  t.is(exitCode, 0, stderr);
  t.like(read(stdout)[0], { tool: 'kiln-apply', status: 'fail' });
  t.is((await runs()).length, 1);
});

test('what can not be answered is an error, and nothing is on standard output', async (t) => {
  const { call } = await review(t);
  const wrong = [
    [call('\n'), /no mail with a subject/],
    [call('Subject: [PATCH 1/2] x\n\ntext\n', { B4_TRACKING_FILE: '' }), /no Message-ID/],
    [call(mail(7, 7)), /"none: step 7" is not in the series/],
    [call(mail(1), { B4_TRACKING_FILE: '/nonexistent' }), /there is no file \/nonexistent/],
    [call(mail(1), { B4_TRACKING_FILE: '/dev/null' }), /is no plain file|not what b4 writes/],
  ] as const;
  for (const [called, message] of wrong) {
    const { exitCode, stdout, stderr } = await called;
    t.is(exitCode, 2, stderr);
    t.is(stdout, '');
    t.regex(stderr, message);
  }
});
