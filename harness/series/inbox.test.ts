// SPDX-License-Identifier: MIT
// Threads by Message-ID: from a mirror of public-inbox, and through b4 from an archive.
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { type MadeMail, madeBox, madeMail } from '../testing/mails.ts';
import { exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import { readThread } from './b4.ts';
import { indexInbox, threadsIn } from './inbox.ts';
import { readSeries } from './series.ts';

const hasB4 = await exec('b4', ['--version']).then(
  () => true,
  () => false,
);
const withB4 = hasB4 ? test.serial : test.serial.skip;

const thread: MadeMail[] = [
  { subject: '[PATCH 0/2] lib', id: 'c', file: null },
  { subject: '[PATCH 1/2] lib: a', id: 'a', to: 'c' },
  { subject: '[PATCH 2/2] lib: b', id: 'b', to: 'c' },
  { subject: 'Re: [PATCH 0/2] lib', id: 'r', to: 'lost', file: null },
];
const others: MadeMail[] = [
  { subject: '[PATCH] mm: x', id: 'x' },
  { subject: 'Re: [PATCH] mm: x', id: 'y', to: 'x', file: null },
];

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** An epoch as public-inbox writes it: one commit for each mail, each with the one file m. */
async function epoch(dir: string, mails: MadeMail[]): Promise<void> {
  await mkdir(dir, { recursive: true });
  await git(dir, ['init', '--quiet', '--bare', '--template=']);
  let parent: string[] = [];
  for (const [index, mail] of mails.entries()) {
    const input = madeMail({ at: index, ...mail });
    const blob = (await git(dir, ['hash-object', '-w', '--stdin'], { input })).stdout;
    const tree = (await git(dir, ['mktree'], { input: `100644 blob ${blob}\tm\n` })).stdout;
    const commit = await git(dir, ['commit-tree', ...parent, '-m', mail.subject, tree]);
    parent = ['-p', commit.stdout];
  }
  await git(dir, ['update-ref', 'refs/heads/master', parent[1]!]);
}

test('a thread is found in a mirror with several epochs', async (t) => {
  const dir = await scratch(t);
  await epoch(join(dir, 'git', '0.git'), [thread[0]!, others[0]!, thread[2]!]);
  await epoch(join(dir, 'git', '1.git'), [others[1]!, { ...thread[1]!, at: 1 }]);
  const series = await readSeries('lore:b@example.org', dir, { inbox: dir });
  t.deepEqual(
    series.patches.map(({ messageId }) => messageId),
    ['a@example.org', 'b@example.org'],
  );
  t.is(series.name, 'b@example.org');
  const one = await readSeries('lore:<x@example.org>', dir, { inbox: join(dir, 'git', '0.git') });
  t.is(one.patches.length, 1);
  t.is((await indexInbox(join(dir, 'git'))).length, 5);
});

test('mails that answer the same absent mail are one thread', async (t) => {
  const dir = await scratch(t);
  const lost = [
    { subject: '[PATCH 1/2] a', id: 'a', to: 'absent' },
    { subject: '[PATCH 2/2] b', id: 'b', to: 'absent' },
  ];
  await epoch(dir, [...lost, ...others]);
  const threads = threadsIn(await indexInbox(dir)).map((mails) => mails.map(({ messageId }) => messageId));
  t.deepEqual(threads.sort(), [
    ['a@example.org', 'b@example.org'],
    ['x@example.org', 'y@example.org'],
  ]);
});

test('a mail that no mirror has, and a directory that is none, are refused', async (t) => {
  const dir = await scratch(t);
  await epoch(join(dir, '0.git'), others);
  const refused = (source: string, inbox: string, message: RegExp) =>
    t.throwsAsync(readSeries(source, dir, { inbox }), { message });
  await refused('lore:a@example.org', dir, /no mail a@example\.org in /);
  await refused('lore:a@example.org', join(dir, 'absent'), /absent is no directory of public-inbox/);
  await refused('lore:hello', dir, /no Message-ID in lore:hello/);
  await refused('lore:--help@x', dir, /no Message-ID in/);
  await refused('https://example.org/linux-mm/', dir, /no Message-ID in/);
});

for (const source of [
  'lore:x@example.org',
  'lore:<x@example.org>',
  'https://example.org/all/x@example.org/',
  'https://example.org/linux-mm/x%40example.org/T/#u',
  'lore:https://example.org/linux-mm/x@example.org/t.mbox.gz',
  'https://example.org/r/x@example.org',
])
  test(`${source} is a Message-ID`, async (t) => {
    const dir = await scratch(t);
    await epoch(dir, others);
    const { id, mails } = await readThread(source, { inbox: dir });
    t.deepEqual([id, mails.length], ['x@example.org', 2]);
  });

test('a Message-ID may have a slash in it', async (t) => {
  const dir = await scratch(t);
  await epoch(dir, [{ subject: '[PATCH] a', id: 'a/b' }]);
  for (const source of ['lore:a/b@example.org', 'https://example.org/all/a%2Fb@example.org/'])
    t.is((await readThread(source, { inbox: dir })).id, 'a/b@example.org');
});

/** An archive on this machine, as b4 asks it. It has one thread. */
async function archive(t: ExecutionContext, mails: MadeMail[]): Promise<string> {
  const box = gzipSync(madeBox(mails));
  const server = createServer(({ url }, response) => {
    const known = mails.some(({ id }) => url === `/all/${encodeURIComponent(`${id}@example.org`)}/t.mbox.gz`);
    response.writeHead(known ? 200 : 404).end(known ? box : 'no');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/all/%s`;
}

withB4('a thread is fetched through b4, which is told where in its own configuration', async (t) => {
  const dir = await scratch(t);
  const where = await archive(t, thread);
  const config = join(dir, 'gitconfig');
  await writeFile(config, `[b4]\n\tmidmask = ${where}\n`);
  const before = { ...process.env };
  t.teardown(() => {
    process.env = before;
  });
  process.env.GIT_CONFIG_GLOBAL = config;
  const series = await readSeries('lore:a@example.org', dir);
  t.deepEqual(
    series.patches.map(({ messageId }) => messageId),
    ['a@example.org', 'b@example.org'],
  );
  const unknown = await t.throwsAsync(readSeries('lore:nobody@example.org', dir));
  t.is(unknown.message, 'no archive has a mail nobody@example.org');
  await writeFile(config, '[b4]\n\tmidmask = http://127.0.0.1:1/all/%s\n');
  const unreachable = await t.throwsAsync(readSeries('lore:a@example.org', dir));
  t.regex(unreachable.message, /b4 can't fetch a@example\.org/);
  t.is((unreachable as unknown as { code: string }).code, 'infrastructure');
});

test.serial('without b4 the error says what to install, and what else there is', async (t) => {
  const dir = await scratch(t);
  const before = process.env.PATH;
  t.teardown(() => {
    process.env.PATH = before;
  });
  // Of the programs in PATH, only the one that starts others is there.
  await writeFile(join(dir, 'setpriv'), '#!/bin/sh\nexec /usr/bin/setpriv "$@"\n');
  await chmod(join(dir, 'setpriv'), 0o755);
  process.env.PATH = dir;
  const error = await t.throwsAsync(readSeries('lore:a@example.org', dir));
  t.is(error.message, 'lore:a@example.org needs b4, which is not installed');
  t.is((error as unknown as { code: string }).code, 'bad-input');
});
