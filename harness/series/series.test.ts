// SPDX-License-Identifier: MIT
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { KilnError } from '../errors.ts';
import { exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import { listSeries, readSeries } from './series.ts';

test('a directory of patches is read in name order, without cover letters and other files', async (t) => {
  const dir = await files(t, {
    's/0002-b.patch': 'b',
    's/0010-c.patch': 'c',
    's/0001-a.patch': 'a',
    's/0000-cover-letter.patch': 'cover',
    's/v2-0000-cover-letter.patch': 'cover',
    's/README': 'not a patch',
    's/x.diff': 'x',
  });
  const series = await readSeries(join(dir, 's'), dir);
  t.deepEqual(
    series.patches.map(({ file, content }) => [file, content.toString()]),
    [
      ['0001-a.patch', 'a'],
      ['0002-b.patch', 'b'],
      ['0010-c.patch', 'c'],
      ['x.diff', 'x'],
    ],
  );
  t.is(series.name, 's');
});

test("quilt's series file decides which patches there are, and their order", async (t) => {
  const dir = await files(t, {
    's/series': '# the order\r\n\nz.patch -p1 # why\n  sub/a.patch\n#off.patch\nno-newline.patch',
    's/z.patch': 'z',
    's/sub/a.patch': 'a',
    's/off.patch': 'off',
    's/no-newline.patch': 'n',
    's/unlisted.patch': 'u',
  });
  const { patches } = await readSeries(join(dir, 's'), dir);
  t.deepEqual(
    patches.map(({ file }) => file),
    ['z.patch', 'sub/a.patch', 'no-newline.patch'],
  );
});

test('files that git format-patch named are a thread: one version, all of its parts', async (t) => {
  const mail = (subject: string) =>
    `From: a@b\nSubject: ${subject}\n\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+x\n`;
  const dir = await files(t, {
    's/0001-a.patch': mail('[PATCH 1/2] a'),
    's/0002-b.patch': mail('[PATCH 2/2] b'),
    's/v2-0001-a.patch': mail('[PATCH v2 1/2] a'),
    's/v2-0002-b.patch': mail('[PATCH v2 2/2] b'),
    'gap/0001-a.patch': mail('[PATCH 1/3] a'),
    'gap/0003-c.patch': mail('[PATCH 3/3] c'),
    'own/0001-a.patch': mail('[PATCH 2/3] a'),
    'own/0002-c.patch': mail('[PATCH 1/9] c'),
  });
  const names = async (name: string) =>
    (await readSeries(join(dir, name), dir)).patches.map(({ file }) => file);
  t.deepEqual(await names('s'), ['v2-0001-a.patch', 'v2-0002-b.patch']);
  await t.throwsAsync(names('gap'), { message: /2\/3 is missing/ });
  t.deepEqual(await names('own'), ['0001-a.patch', '0002-c.patch']);
});

test('a bare name is looked up in patches/, a path is not', async (t) => {
  const dir = await files(t, { 'patches/fs/1.patch': 'kept', 'elsewhere/fs/1.patch': 'elsewhere' });
  const patches = join(dir, 'patches');
  const first = async (source: string) => (await readSeries(source, patches)).patches[0]?.content.toString();
  t.is(await first('fs'), 'kept');
  t.is(await first(join(dir, 'elsewhere', 'fs')), 'elsewhere');
});

test('the series kept are directories, by name, hidden ones apart', async (t) => {
  const dir = await files(t, { 'b/1.patch': '', 'a/1.patch': '', '.git/x': '', 'README.md': '' });
  t.deepEqual(await listSeries(dir), ['a', 'b']);
  t.deepEqual(await listSeries(join(dir, 'absent')), []);
});

test('what gives no series is refused with a reason', async (t) => {
  const dir = await files(t, {
    'empty/README': '',
    'empty-file/1.patch': '',
    'only-cover/0000-cover-letter.patch': 'cover',
    'missing/series': 'there.patch\ngone.patch\n',
    'missing/there.patch': 'x',
    'empty.mbox': '',
    'words.mbox': 'Dear Sir,\nthis is no mailbox.\n',
    'binary.mbox': '\0\x01\xff\0',
    'maildir/cur/.keep': '',
    'maildir/new/.keep': '',
  });
  const refused = async (source: string, message: RegExp) => {
    const error = await t.throwsAsync(readSeries(join(dir, source), dir), { instanceOf: KilnError, message });
    t.is(error?.code, 'bad-input', source);
  };
  await refused('empty', /no patch in/);
  await refused('only-cover', /no patch in/);
  await refused('empty-file', /1\.patch is empty/);
  await mkdir(join(dir, 'fifo'));
  await exec('mkfifo', [join(dir, 'fifo', '1.patch')]);
  await refused('fifo', /1\.patch is no plain file/);
  await refused('missing', /series names gone\.patch, which can't be read/);
  await refused('absent', /no series "/);
  await refused('empty.mbox', /no patch in/);
  await refused('words.mbox', /no patch in/);
  await refused('binary.mbox', /no patch in/);
  await refused('maildir', /no patch in/);
});

test('a name that is not known is answered with those that are', async (t) => {
  const dir = await files(t, { 'srvfs/1.patch': 'x' });
  const error = await t.throwsAsync<KilnError>(readSeries('srvsf', dir));
  t.regex(error.hint, /srvfs/);
});

test('a patch file that holds several mails is refused by name', async (t) => {
  const { mbox, dir } = await threePatches(t);
  await mkdir(join(dir, 's'));
  await writeFile(join(dir, 's', 'all.patch'), mbox);
  const error = await t.throwsAsync<KilnError>(readSeries(join(dir, 's'), dir), {
    message: /all\.patch holds more than one mail/,
  });
  t.is(error.details.patch, 'all.patch');
});

test('several mails in one file are seen whatever program saved them', async (t) => {
  const { mbox, dir } = await threePatches(t);
  await mkdir(join(dir, 's'));
  const saved = mbox.replace(/^From [0-9a-f]{40} /gm, 'From ann@example.org ');
  await writeFile(join(dir, 's', 'all.patch'), saved);
  await t.throwsAsync(readSeries(join(dir, 's'), dir), { message: /more than one mail/ });
});

test('an mbox gives its patches, without the cover letter', async (t) => {
  const { mbox, dir } = await threePatches(t, ['--cover-letter']);
  await writeFile(join(dir, 'incoming.mbox'), mbox);
  const series = await readSeries(join(dir, 'incoming.mbox'), dir);
  t.is(series.name, 'incoming');
  t.deepEqual(
    series.patches.map(({ file }) => file),
    ['0001-one.patch', '0002-two.patch', '0003-three.patch'],
  );
});

/** A repository with the commits base, one, two, three. Each test has a copy. */
let original: string;
test.before(async () => {
  original = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  await git(original, ['init', '--quiet', '--template=']);
  let text = '';
  for (const word of ['base', 'one', 'two', 'three']) {
    text += `${word}\n`;
    await writeFile(join(original, 'file'), text);
    await git(original, ['add', '.']);
    await git(original, ['commit', '--quiet', '--message', word]);
  }
});
test.after.always(() => rm(original, { recursive: true, force: true }));

/** That repository, and its last three commits as a mailbox. */
async function threePatches(t: ExecutionContext, options: string[] = []) {
  const dir = await files(t, {});
  const repository = join(dir, 'repository');
  await cp(original, repository, { recursive: true });
  const { stdout } = await git(original, ['format-patch', '--stdout', ...options, 'HEAD~3..HEAD']);
  return { dir, repository, mbox: `${stdout}\n` };
}

async function files(t: ExecutionContext, content: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(content)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text, 'latin1');
  }
  return dir;
}
