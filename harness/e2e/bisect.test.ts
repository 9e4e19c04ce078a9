// SPDX-License-Identifier: MIT
// `kiln bisect` over commits of a kernel, and `git bisect run` with kiln.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { cacheDirectory } from '../context.ts';
import { defaultBase } from '../job/plan.ts';
import { readResults } from '../schema.ts';
import { quietContext } from '../testing/context.ts';
import { prepareBase } from '../tree/base.ts';
import { exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import { kiln, kilnPath } from './kiln.ts';
import { type Toy, toy } from './toy.ts';

const scratch = await mkdtemp(join(tmpdir(), 'kiln-bisect-'));
test.after.always(() => rm(scratch, { recursive: true, force: true }));

/** Commits of a toy on `main`, each with another one.c: `builds` says whether it compiles. */
async function commits(at: Toy, builds: boolean[]): Promise<void> {
  await git(at.source, ['checkout', '--quiet', 'main']);
  for (const [index, does] of builds.entries()) {
    await writeFile(join(at.source, 'init', 'one.c'), `${does ? 'int' : 'no type'} one = ${index};\n`);
    await git(at.source, ['commit', '--quiet', '--all', '--message', `change ${index}`]);
  }
}

const envOf = ({ cache, dir }: Toy) => ({ XDG_CACHE_HOME: cache, TMPDIR: join(dir, 'tmp') });
const anyCode = Array.from({ length: 256 }, (_, code) => code);

test('git bisect run skips what does not build or run, and ends on what is no answer', async (t) => {
  const at = await toy(t);
  await commits(at, [true, false, true]);
  const suite = join(at.dir, 'trivial');
  const run = async (words: string[]) => {
    const start = [
      ['bisect', 'reset'],
      ['bisect', 'start', 'main', 'base'],
    ];
    for (const args of start) await git(at.source, args);
    const options = ['--accel', 'tcg', '--tests', suite, '--out', join(at.dir, 'runs'), ...words];
    const env = { ...envOf(at), GIT_CONFIG_GLOBAL: '/dev/null' };
    const command = [
      'bisect',
      'run',
      kilnPath,
      'test',
      '--tree',
      at.source,
      '--git-bisect',
      'test',
      ...options,
    ];
    return exec('git', ['-C', at.source, ...command], { env, okCodes: anyCode });
  };
  const skipped = await run([]);
  t.is(skipped.exitCode, 2, skipped.stdout + skipped.stderr);
  t.regex(skipped.stdout, /^git bisect: skip, the kernel does not build: init\/one\.c:1: /m);
  const log = (await git(at.source, ['bisect', 'log'])).stdout;
  t.is(log.match(/^git bisect skip /gm)?.length, 2, log);
  t.notRegex(log, /^git bisect (?:good|bad) /m);

  // 2 would make the commit bad.
  for (const words of [['none/none'], ['--jobs', 'many']]) {
    const refused = await run(words);
    t.true(refused.exitCode >= 128, `${refused.exitCode}: ${refused.stderr}`);
    t.notRegex((await git(at.source, ['bisect', 'log'])).stdout, /^git bisect (?:good|bad|skip) /m);
  }
});

test('an end that does not build is named, and stdout has the result alone', async (t) => {
  const at = await toy(t);
  await commits(at, [true, true, false]);
  const call = (range: string, ...words: string[]) =>
    kiln(
      ['bisect', range, 'trivial/trivial', '--accel', 'tcg', '--tests', join(at.dir, 'trivial'), ...words],
      {
        cwd: at.dir,
        env: envOf(at),
      },
    );
  const reversed = await call('main..base', '--repo', at.source);
  t.is(reversed.exitCode, 2, reversed.stderr);
  t.regex(reversed.stderr, /is older than/);

  await commits(at, [true]);
  const before = (await git(at.source, ['for-each-ref'])).stdout;
  const broken = await call('main~1..main', '--repo', at.source);
  t.is(broken.exitCode, 4, broken.stderr);
  t.regex(broken.stdout, /^does-not-build: GOOD \(\w{12}\): /m);
  t.regex(broken.stdout, /^again: cd .* bisect 'main~1\.\.main' trivial\/trivial --repo /m);
  t.is((await git(at.source, ['for-each-ref'])).stdout, before);
  t.deepEqual(await at.left(), []);
});

test('the first bad commit of a kernel is found, and a second call runs nothing', async (t) => {
  const { base } = await prepareBase(defaultBase, quietContext(cacheDirectory()));
  const dir = join(scratch, 'linux.git');
  await git(scratch, ['clone', '--quiet', '--bare', '--shared', base.gitDir, dir]);
  const made = await makeHistory(dir, base.commit);
  const suite = join(scratch, 'domain');
  await mkdir(suite);
  await writeFile(join(suite, 'name.c'), program);
  const out = join(scratch, 'runs');
  const call = () =>
    kiln([
      'bisect',
      `${made[0]}..${made.at(-1)}`,
      'domain/name',
      '--repo',
      dir,
      '--tests',
      suite,
      '--out',
      out,
    ]);
  const first = await call();
  t.is(first.exitCode, 0, first.stderr);
  t.true(
    first.stdout.includes(`first bad commit: ${made[badFrom]}\n  init: change ${badFrom}\n`),
    first.stdout,
  );
  const { bisect } = readResults(await readFile(join(out, 'latest', 'results.json'), 'utf8'));
  const skipped = bisect!.asked
    .filter(({ answer }) => answer === 'skip')
    .map(({ commit }) => made.indexOf(commit));
  t.true(skipped.every((index) => index === broken));
  for (const { commit, answer, runs } of bisect!.asked) {
    if (answer === 'skip') continue;
    t.is(answer, made.indexOf(commit) < badFrom ? 'good' : 'bad');
    t.is(runs!.failed, answer === 'bad' ? runs!.runs : 0);
  }

  const started = performance.now();
  const again = await call();
  t.is(again.exitCode, 0, again.stderr);
  const lines = (text: string) => text.split('\n').filter((line) => /^(?:GOOD|BAD|step|first)/.test(line));
  t.deepEqual(lines(again.stdout), lines(first.stdout));
  t.true(performance.now() - started < 120_000);
});

/** Commits 0 to 8: from 6 on uname's domain is another one; 4 does not compile. */
const [badFrom, broken, last] = [6, 4, 8];
const program = `#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
int main(void)
{
	struct utsname name;
	uname(&name);
	printf("TAP version 13\\n1..1\\n");
	printf("%s 1 domain\\n", strcmp(name.domainname, "(none)") ? "not ok" : "ok");
	return 0;
}
`;

/** Each commit changes init/version.c, or a file that nothing compiles. */
async function makeHistory(dir: string, from: string): Promise<string[]> {
  const index = join(scratch, 'index');
  const env = {
    GIT_INDEX_FILE: index,
    GIT_AUTHOR_DATE: '@1700000000 +0000',
    GIT_COMMITTER_DATE: '@1700000000 +0000',
  };
  const put = async (path: string, text: string) => {
    const { stdout } = await git(dir, ['hash-object', '-w', '--stdin'], { input: text });
    await git(dir, ['update-index', '--add', '--cacheinfo', `100644,${stdout},${path}`], { env });
  };
  const [version, uts] = await Promise.all(
    ['init/version.c', 'include/linux/uts.h'].map(
      async (file) => `${(await git(dir, ['show', `${from}:${file}`])).stdout}\n`,
    ),
  );
  await git(dir, ['read-tree', from], { env });
  const made = [from];
  for (let number = 1; number <= last; number++) {
    await put(
      'init/version.c',
      `${version}int kiln_step_${number} = ${number};\n${number === broken ? 'no type;\n' : ''}`,
    );
    if (number === badFrom) await put('include/linux/uts.h', uts!.replace('"(none)"', '"(other)"'));
    const tree = (await git(dir, ['write-tree'], { env })).stdout;
    const words = ['commit-tree', tree, '-p', made.at(-1)!, '-m', `init: change ${number}`];
    made.push((await git(dir, words, { env })).stdout);
  }
  return made;
}
