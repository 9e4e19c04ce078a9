// SPDX-License-Identifier: MIT
// Real programs in the real sandbox, each time beside the same without it: what fails in one must work in the other.

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Sandbox } from '../context.ts';
import { asKilnError, type KilnError } from '../errors.ts';
import { listener } from '../testing/listener.ts';
import { buildLimits, chooseSandbox, confined, type Limits } from './sandbox.ts';

const found = await chooseSandbox('auto', false);
const held = found.flags ? test.serial : test.serial.skip;
if (!found.flags) console.error(`the sandbox is not tested: ${found.reason}`);
const open: Sandbox = { flags: null, reason: '', foreign: false };

type Home = { home: string; build: string; source: string };

async function makeHome(t: ExecutionContext): Promise<Home> {
  const home = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(home, { recursive: true, force: true }));
  const [build, source] = [join(home, 'build'), join(home, 'source')];
  await Promise.all([mkdir(build), mkdir(source)]);
  await writeFile(join(home, 'secret'), 'the secret\n');
  return { home, build, source };
}

/** A shell script as the build's; returns what it printed, and how it ended. */
async function run(
  { build, source }: Home,
  script: string,
  sandbox: Sandbox = found,
  limits: Partial<Limits> = {},
  stop = new AbortController().signal,
): Promise<{ said: string; error: KilnError | null }> {
  const lines: string[] = [];
  const reach = { cwd: build, read: [source], write: [build], env: { GIVEN: 'given' } };
  const options = { onLine: (line: string) => void lines.push(line) };
  const all = { ...buildLimits, ...limits };
  const error = await confined('sh', ['-c', script], reach, { sandbox, signal: stop }, options, all).then(
    () => null,
    (thrown) => thrown as KilnError,
  );
  return { said: lines.join('\n'), error };
}

held('the build directory is written, the source is read', async (t) => {
  const at = await makeHome(t);
  await writeFile(join(at.source, 'file'), 'a source\n');
  const { said, error } = await run(at, `cat ${at.source}/file; echo $GIVEN > made; cat made; pwd`);
  t.is(error, null);
  t.deepEqual(said.split('\n'), ['a source', 'given', at.build]);
  t.is(await readFile(join(at.build, 'made'), 'utf8'), 'given\n');
});

held('a program may be shown a directory at another place', async (t) => {
  const { build, home } = await makeHome(t);
  const lines: string[] = [];
  const seen = join(home, 'elsewhere');
  const reach = { cwd: seen, read: [], write: [[build, seen] as [string, string]], env: {} };
  const context = { sandbox: found, signal: new AbortController().signal };
  await confined('sh', ['-c', 'pwd; touch made'], reach, context, { onLine: (line) => lines.push(line) });
  t.deepEqual([lines, await readdir(build)], [[seen], ['made']]);
});

held('a home, other files and the environment can be seen only without it', async (t) => {
  const at = await makeHome(t);
  process.env.KILN_TEST_TOKEN = 'the token';
  const script = `cat ${at.home}/secret /etc/passwd; echo $KILN_TEST_TOKEN; cat /proc/*/environ | tr '\\0' '\\n'; ls ~/`;
  const inside = await run(at, script);
  const outside = await run(at, script, open);
  delete process.env.KILN_TEST_TOKEN;
  for (const word of ['the secret', 'root:x:0', 'the token']) {
    t.true(outside.said.includes(word), word);
    t.false(inside.said.includes(`\n${word}`) || inside.said.startsWith(word), `${word}: ${inside.said}`);
  }
});

held('a test’s source can include no file of the machine', async (t) => {
  const at = await makeHome(t);
  await writeFile(join(at.build, 'spy.c'), `asm(".incbin \\"${at.home}/secret\\"");\n`);
  await writeFile(join(at.build, 'nosy.c'), `#include "${at.home}/secret"\n`);
  t.is((await run(at, 'gcc -c spy.c -o spy.o', open)).error, null);
  t.regex((await run(at, 'gcc -c spy.c -o spy.o')).said, /file not found: .*secret/);
  t.regex((await run(at, 'gcc -c nosy.c', open)).said, /the secret/);
  t.notRegex((await run(at, 'gcc -c nosy.c')).said, /the secret/);
});

held('nothing can be written but the build directory', async (t) => {
  const at = await makeHome(t);
  const targets = [at.source, at.home, '/usr/lib', '/', '/dev', '/proc/sys/kernel', '/etc'];
  const script = targets.map((dir) => `touch ${dir}/kiln-wrote; cat ${dir}/kiln-wrote && echo wrote ${dir}`);
  await run(at, script.join('\n'));
  t.deepEqual(await readdir(at.source), []);
  t.deepEqual((await readdir(at.home)).sort(), ['build', 'secret', 'source']);
  for (const dir of targets) t.false((await readdir(dir)).includes('kiln-wrote'), dir);
  const { said } = await run(at, script.join('\n'));
  t.notRegex(said, new RegExp(`^wrote (?!${at.home}$)`, 'm'));
});

held('the kernel’s switches are out of reach, also for root', async (t) => {
  const at = await makeHome(t);
  const write = 'cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern && echo wrote';
  if (process.getuid?.() === 0) t.is((await run(at, write, open)).said, 'wrote');
  t.regex((await run(at, write)).said, /Read-only file system/);
});

held('nobody answers on the network', async (t) => {
  const at = await makeHome(t);
  const { port, calls } = await listener(t);
  const call = `perl -MIO::Socket -e 'IO::Socket::INET->new(PeerAddr => "127.0.0.1:${port}") or die "$!"'`;
  t.regex((await run(at, call)).said, /unreachable|refused/i);
  t.is(calls(), 0);
  t.is((await run(at, call, open)).error, null);
  t.is(calls(), 1);
});

held('what runs on in the background ends with the build', async (t) => {
  const at = await makeHome(t);
  await run(at, '(while :; do date >> beat; sleep 0.05; done) & while [ ! -s beat ]; do sleep 0.01; done');
  const beats = await readFile(join(at.build, 'beat'), 'utf8');
  await setTimeout(300);
  t.true(beats.length > 0);
  t.is(await readFile(join(at.build, 'beat'), 'utf8'), beats);
});

held('forks without end are stopped', async (t) => {
  const { error } = await run(await makeHome(t), bomb, found, { processes: 60 });
  t.is(error?.code, 'does-not-build');
  t.is(error?.message, 'the build was stopped: it ran 60 processes at once');
});

/** A shell that tries again when it can't fork. */
const bomb = "bash -c 'while :; do sleep 60 & done'";

held('a disk is not filled', async (t) => {
  const at = await makeHome(t);
  const fill = 'i=0; while :; do i=$((i+1)); head -c 4000000 /dev/zero > file$i || exit 1; sleep 0.01; done';
  const { error } = await run(at, fill, found, { disk: 40_000_000 });
  t.is(error?.message, 'the build was stopped: it wrote more than 38 MiB');
});

held('a file does not grow without end, memory is not eaten', async (t) => {
  const at = await makeHome(t);
  const { error } = await run(at, 'head -c 9000000 /dev/zero > large', found, { file: 1_000_000 });
  t.truthy(error);
  t.is((await readFile(join(at.build, 'large'))).length, 1_000_000);
  const eat = await run(at, 'perl -e \'$x = "x" x 400_000_000; print length $x\'', found, {
    memory: 200_000_000,
  });
  t.truthy(eat.error);
  t.notRegex(eat.said, /400000000/);
});

held('an endless build ends', async (t) => {
  const { error } = await run(await makeHome(t), 'while :; do :; done', found, { time: 500 });
  t.is(error?.message, 'the build was stopped: it was not done after 0.5 s');
});

held('a build that floods its output ends', async (t) => {
  const { error } = await run(await makeHome(t), 'exec yes "$(printf %4000s)"');
  t.is(error?.code, 'does-not-build');
  t.is(error?.message, 'the build was stopped: it printed more than 64 MiB');
});

held('an abort ends it and is an interruption', async (t) => {
  const at = await makeHome(t);
  const stop = new AbortController();
  const running = run(at, 'while :; do date > beat; done', found, {}, stop.signal);
  while (!existsSync(join(at.build, 'beat'))) await setTimeout(5);
  stop.abort();
  t.is(asKilnError((await running).error).code, 'interrupted');
  const beat = await readFile(join(at.build, 'beat'), 'utf8');
  await setTimeout(1100);
  t.is(await readFile(join(at.build, 'beat'), 'utf8'), beat);
});

held('a failure is the program’s, with its words', async (t) => {
  const { error, said } = await run(await makeHome(t), 'echo why >&2; exit 3');
  t.deepEqual([error?.code, error?.message, said], ['infrastructure', 'sh failed with exit code 3', 'why']);
});

test.serial('without bubblewrap there is none, and whoever demands it is told', async (t) => {
  const path = process.env.PATH;
  process.env.PATH = await onlySetpriv(t);
  t.teardown(() => {
    process.env.PATH = path;
  });
  const { flags, reason } = await chooseSandbox('auto', false);
  const error = await t.throwsAsync<KilnError>(chooseSandbox('on', false));
  process.env.PATH = path;
  t.is(flags, null);
  t.regex(reason, /bwrap/);
  t.regex(error!.message, /^--sandbox on: .*bwrap/);
});

async function onlySetpriv(t: ExecutionContext): Promise<string> {
  const { home } = await makeHome(t);
  await writeFile(join(home, 'setpriv'), '#!/bin/sh\nPATH= exec /usr/bin/setpriv "$@"\n', { mode: 0o755 });
  return home;
}
