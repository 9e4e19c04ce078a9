// SPDX-License-Identifier: MIT
// --with: other series, applied before the tested ones and listed separately.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { readResults } from '../schema.ts';
import { type Toy, toy } from './toy.ts';

/** A series of one patch that changes what one() of the toy's source returns. */
async function returns(at: Toy, name: string, before: string, after: string): Promise<string> {
  const dir = join(at.dir, 'series', name);
  await mkdir(dir, { recursive: true });
  const mail = `From: A Developer <dev@example.org>
Subject: [PATCH] init: return ${after}
Date: Thu, 1 Jan 2026 00:00:00 +0000

For a test.
---
diff --git a/init/one.c b/init/one.c
--- a/init/one.c
+++ b/init/one.c
@@ -2,4 +2,4 @@
 int one(void)
 {
-	return ${before};
+	return ${after};
 }
`;
  await writeFile(join(dir, `0001-${name}.patch`), mail);
  return dir;
}

test.serial('--with is applied before the tested series, whatever the order of the options', async (t) => {
  const at = await toy(t);
  const fix = await returns(at, 'fix', '0', '1');
  const work = await returns(at, 'work', '1', '2');
  t.is((await at.build(['--series', work])).exitCode, 3);
  const kernels: string[] = [];
  for (const options of [
    ['--with', fix, '--series', work],
    ['--series', work, '--with', fix],
    ['--series', fix, '--series', work, '--with', fix],
  ]) {
    const { exitCode, stdout, stderr } = await at.build(options);
    t.is(exitCode, 0, stderr);
    const line = options.length === 4 ? '1 patch of work, with fix' : '2 patches of fix, work';
    t.regex(stderr, new RegExp(`^series +${line} \\(`, 'm'));
    kernels.push(stdout.trim());
  }
  t.is(new Set(kernels).size, 1);
});

test.serial('without a series, --with alone is applied to the base, and nothing else', async (t) => {
  const at = await toy(t);
  const fix = await returns(at, 'fix', '0', '1');
  const plain = await at.build();
  t.regex(plain.stderr, /^series +none: the base as it is \(/m);
  const fixed = await at.build(['--with', fix]);
  t.regex(fixed.stderr, /^series +none, with fix \(/m);
  t.not(fixed.stdout, plain.stdout);
});

test.serial('a build failure names the patch that caused it', async (t) => {
  const at = await toy(t);
  const fix = await returns(at, 'fix', '0', '1');
  const work = await returns(at, 'work', '1', 'nothing');
  const { exitCode, stdout } = await at.test(['--series', work, '--with', fix]);
  t.is(exitCode, 4, stdout);
  const [job] = readResults(await readFile(join(at.dir, 'runs', 'latest', 'results.json'), 'utf8')).jobs;
  t.is(job!.id, 'work-with-fix');
  t.deepEqual(
    job!.series.map(({ name, source }) => [name, source]),
    [
      ['fix', fix],
      ['work', work],
    ],
  );
  t.is(job!.error!.file, 'init/one.c');
  t.is(job!.error!.patch, '0001-work.patch');
});

test.serial('a patch that does not apply on top of --with: the error names that series', async (t) => {
  const at = await toy(t);
  const fix = await returns(at, 'fix', '0', '1');
  const work = await returns(at, 'work', '0', '2');
  t.is((await at.build(['--series', work])).exitCode, 0);
  const both = await at.build(['--series', work, '--with', fix]);
  t.is(both.exitCode, 3);
  t.regex(both.stderr, /work: 0001-work\.patch does not apply: init\/one\.c, hunk @@ -2,4 \+2,4 @@/);
  t.regex(both.stderr, /; --with applied fix before it$/m);
});

test.serial(
  '--with takes a name of patches/, and a failure to apply it names only that series',
  async (t) => {
    const at = await toy(t);
    const { exitCode, stderr } = await at.build(['--with', 'srvfs']);
    t.is(exitCode, 3, stderr);
    t.regex(stderr, /srvfs: 0001-\S+\.patch \(0*1\/\d+\) does not apply: /);
    t.notRegex(stderr, /--with applied/);
    const unknown = await at.build(['--with', 'no-such-series']);
    t.is(unknown.exitCode, 2);
    t.regex(unknown.stderr, /no series "no-such-series"/);
  },
);
