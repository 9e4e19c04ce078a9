// SPDX-License-Identifier: MIT
import { createHash } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import { exampleResults, exampleTest } from '../testing/example.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { pageOf } from './html.ts';
import { gatherPage, type PageData } from './pageData.ts';

const bundle = { script: 'console.log("</" + "script>")', style: 'p { margin: 0 }', inputs: {} };

const hostile = '</script><img src=x onerror=alert(1)><!--';

function dataOf(page: string): PageData {
  const packed = /<script type="application\/gzip" id="data">([^<]*)<\/script>/.exec(page)![1]!;
  return JSON.parse(gunzipSync(Buffer.from(packed, 'base64')).toString());
}

test('the page has the results, whatever characters they have', (t) => {
  const results = exampleResults([{ test: hostile, detail: 'a\u2028\ud800b' }]);
  const page = pageOf({ results, files: {}, notes: [] }, bundle, '');
  t.deepEqual(dataOf(page).results, results);
});

test('no text of a guest is markup', (t) => {
  const results = exampleResults([{ test: hostile, detail: hostile }], { id: hostile });
  const files = { log: { text: hostile, first: 1, bytes: 9 } };
  const page = pageOf({ results, files, notes: [] }, bundle, `FAIL ${hostile}`);
  t.false(page.includes('<img'));
  t.is(page.split('<script').length, 3);
});

test('the policy allows this script and this style, and nothing from anywhere', (t) => {
  const page = pageOf({ results: exampleResults(), files: {}, notes: [] }, bundle, '');
  const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!;
  const sha = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  t.true(policy.startsWith("default-src 'none';"));
  t.true(policy.includes(`script-src ${sha(bundle.script)};`));
  t.true(policy.includes(`style-src ${sha(bundle.style)};`));
  t.notRegex(policy, /unsafe|https?:|\*/);
});

async function runDirectory(files: Record<string, string>) {
  const scratch = await scratchDirectory(tmpdir());
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(scratch.path, path)), { recursive: true });
    await writeFile(join(scratch.path, path), text);
  }
  return scratch;
}

const guest = exampleTest().guest!;
const failing = exampleTest({ test: 'bad', verdict: 'fail', guest: { ...guest, kmsg: 'bad/kernel.log' } });

test('logs of failed tests are embedded, others are not, and the page says so', async (t) => {
  await using dir = await runDirectory({ 'bad/kernel.log': '6,1,2,-;hello\n', [guest.kmsg]: 'passing' });
  const { files, notes } = await gatherPage(exampleResults([{}, failing]), dir.path);
  t.deepEqual(files, { 'bad/kernel.log': { text: '6,1,2,-;hello\n', first: 1, bytes: 14 } });
  t.deepEqual(notes, ['The logs of tests that pass are linked, not embedded.']);
});

test('no file from outside of the run gets into the page', async (t) => {
  await using dir = await runDirectory({ 'run/x': '', secret: 'secret' });
  const run = join(dir.path, 'run');
  await symlink('../secret', join(run, 'link'));
  for (const kmsg of ['../secret', 'link', '/etc/passwd', join(dir.path, 'secret')]) {
    const { files } = await gatherPage(exampleResults([{ ...failing, guest: { ...guest, kmsg } }]), run);
    t.deepEqual(files, {}, kmsg);
  }
});

test('of too many logs, some are left out, and the page says how many', async (t) => {
  const names = Array.from({ length: 100 }, (_, index) => `log-${index}`);
  await using dir = await runDirectory(Object.fromEntries(names.map((name) => [name, 'x\n'.repeat(1e4)])));
  const tests = names.map((kmsg, index) => ({ ...failing, test: `t${index}`, guest: { ...guest, kmsg } }));
  const { files, notes } = await gatherPage(exampleResults(tests), dir.path, 0.005);
  t.true(Object.keys(files).length < 100);
  t.true(Object.values(files).every(({ text, first }) => text.length < 2000 && first > 1));
  t.regex(notes.at(-1)!, /^\d+ logs of failed tests would make this page too large: linked\.$/);
});
