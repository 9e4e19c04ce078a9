// SPDX-License-Identifier: MIT
// Real faults of the host during a build. Each leaves nothing behind, and the next run works.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { exec } from '../util/exec.ts';
import { kiln, kilnPath } from './kiln.ts';
import { mountSmall, processesOf, running, type Toy, toy } from './toy.ts';

/** Nothing is left behind, and a build succeeds. */
async function isWell(t: ExecutionContext, at: Toy): Promise<void> {
  t.deepEqual(await at.left(), []);
  const { exitCode, stderr, stdout } = await at.build();
  t.is(exitCode, 0, stderr);
  const object = join(stdout.trim(), 'vmlinux');
  t.regex((await exec('nm', [object])).stdout, /T one\n.* T three\n.* T two/);
  t.deepEqual(await at.left(), []);
}

for (const [signal, stage] of [
  ['SIGINT', 'allnoconfig'],
  ['SIGTERM', 'one'],
  ['SIGINT', 'vmlinux'],
  ['SIGTERM', 'headers'],
  ['SIGINT', 'pack'],
] as const)
  test.serial(`${signal} while make is at ${stage}`, async (t) => {
    const at = await toy(t);
    const child = at.start([], { CCACHE_TOY_SLEEP: stage });
    await running(at.dir, /^sleep 61$/);
    child.kill(signal);
    t.is((await child).exitCode, 130);
    await isWell(t, at);
  });

test.serial(
  'kill -9 of the harness also ends the build, and the next one redoes incomplete files',
  async (t) => {
    const at = await toy(t);
    const child = at.start([], { CCACHE_TOY_SLEEP: 'two' });
    await running(at.dir, /^sleep 61$/);
    child.kill('SIGKILL');
    await child;
    const deadline = performance.now() + 10_000;
    while ((await processesOf(at.dir)).length > 0 && performance.now() < deadline) await setTimeout(100);
    t.deepEqual(await processesOf(at.dir), []);
    t.is((await at.build()).exitCode, 0);
    await isWell(t, at);
  },
);

test.serial('kill -9 of the compiler is an infrastructure error, not one of the series', async (t) => {
  const at = await toy(t);
  const child = at.start([], { CCACHE_TOY_SLEEP: 'two' });
  const sleeper = await running(at.dir, /^sleep 61$/);
  const { stdout } = await exec('ps', ['-o', 'ppid=', '-p', String(sleeper)]);
  process.kill(Number(stdout), 'SIGKILL');
  process.kill(sleeper, 'SIGKILL');
  const { exitCode, stderr } = await child;
  t.is(exitCode, 69, String(stderr));
  t.regex(String(stderr), /the build was stopped by the machine: Killed/);
  await isWell(t, at);
});

test.serial('a full disk under the cache is an infrastructure error', async (t) => {
  const at = await toy(t);
  if (!(await mountSmall(t, at.cache, '4m'))) return;
  const full = await at.build();
  t.is(full.exitCode, 69, full.stderr);
  t.regex(full.stderr, /the disk is full|No space left on device/);
  await exec('mount', ['-o', 'remount,size=900m', at.cache]);
  await isWell(t, at);
});

test.serial('a full disk under the run directory is an infrastructure error', async (t) => {
  const at = await toy(t);
  const out = join(at.dir, 'out');
  if (!(await mountSmall(t, out, '16k'))) return;
  const full = await at.test(['--out', out]);
  t.is(full.exitCode, 69, full.stderr);
  t.regex(`${full.stdout}${full.stderr}`, /the disk is full|no space left/i);
  await isWell(t, at);
});

test.serial('a read-only cache is an infrastructure error', async (t) => {
  const at = await toy(t);
  if (!(await mountSmall(t, at.cache, '900m'))) return;
  await exec('mount', ['-o', 'remount,ro', at.cache]);
  const { exitCode, stderr } = await at.build();
  t.is(exitCode, 69, stderr);
  t.regex(stderr, /read-only file system/i);
  await exec('mount', ['-o', 'remount,rw', at.cache]);
  await isWell(t, at);
});

test.serial('a run directory that can’t be created ends the run', async (t) => {
  const at = await toy(t);
  const { exitCode, stderr } = await at.test(['--out', '/proc/kiln']);
  t.is(exitCode, 69);
  t.regex(stderr, /can't make a run directory in \/proc\/kiln/);
});

test.serial('truncated entries of the cache are made again', async (t) => {
  const at = await toy(t);
  t.is((await at.build()).exitCode, 0);
  const cache = join(at.cache, 'kiln');
  const entries = await readdir(cache, { recursive: true, withFileTypes: true });
  const records = entries
    .filter(({ name }) => name.endsWith('.json'))
    .map(({ parentPath, name }) => join(parentPath, name));
  t.true(records.length >= 3, records.join());
  for (const record of records) await truncate(record, 10);
  // An incomplete entry of a run that has ended.
  const aside = join(cache, 'kernels', 'abc.4194304.0123abcd.tmp');
  await mkdir(aside);
  await isWell(t, at);
  t.false(existsSync(aside));
});

test.serial('a damaged or incomplete download is not cached', async (t) => {
  const at = await toy(t);
  await exec('tar', ['-czf', join(at.dir, 'toy.tar.gz'), '-C', at.dir, '--exclude=.git', 'source']);
  const good = (await exec('sha256sum', [join(at.dir, 'toy.tar.gz')])).stdout.slice(0, 64);
  const bytes = await readFile(join(at.dir, 'toy.tar.gz'));
  const server = createServer((request, response) => {
    if (request.url?.includes('damaged')) response.end(Buffer.concat([bytes.subarray(0, 100), bytes]));
    else if (request.url?.includes('broken')) {
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 200));
      globalThis.setTimeout(() => response.destroy(), 200);
    } else if (request.url?.includes('endless')) response.write('x');
    else response.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => server.close());
  const url = (name: string) =>
    `tar:http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}.tar.gz#sha256=${good}`;
  const damaged = await at.build(['--base', url('damaged')]);
  t.is(damaged.exitCode, 2, damaged.stderr);
  t.regex(damaged.stderr, /has the SHA-256 /);
  const broken = await at.build(['--base', url('broken')]);
  t.is(broken.exitCode, 69, broken.stderr);
  t.regex(broken.stderr, /can't download/);
  const child = at.start(['--base', url('endless')]);
  await setTimeout(3000);
  child.kill('SIGINT');
  t.is((await child).exitCode, 130);
  t.deepEqual(await readdir(join(at.cache, 'kiln', 'bases')).catch(() => []), []);
  t.is((await at.build(['--base', url('good')])).exitCode, 0);
  await isWell(t, at);
});

test.serial('concurrent builds of the same and of different sources succeed', async (t) => {
  const at = await toy(t);
  const one = await at.series({ 'init/one.c': 'int one(void) { return 1; }' });
  const two = await at.series({ 'init/two.c': 'int two(void) { return 2; }' });
  const all = await Promise.all([[], [], one, two, one].map((options) => at.build(options)));
  for (const { exitCode, stderr } of all) t.is(exitCode, 0, stderr);
  const kernels = all.map(({ stdout }) => stdout.trim().split('\n').at(-1));
  t.is(kernels[0], kernels[1]);
  t.is(kernels[2], kernels[4]);
  t.is(new Set(kernels).size, 3);
  await isWell(t, at);
});

test.serial('ten thousand patches: progress is shown, and one signal ends the run', async (t) => {
  const at = await toy(t);
  const dir = join(at.dir, 'many');
  await mkdir(dir);
  for (let number = 1; number <= 10_000; number++) {
    const name = String(number).padStart(5, '0');
    const head = `From: A <a@example.org>\nSubject: [PATCH] ${name}\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n\nx\n---\n`;
    const diff = `diff --git a/many/${name} b/many/${name}\nnew file mode 100644\n--- /dev/null\n+++ b/many/${name}\n@@ -0,0 +1 @@\n+x\n`;
    await writeFile(join(dir, `${name}.patch`), `${head}${diff}`);
  }
  const child = at.start(['--series', dir]);
  const seen = new Promise<boolean>((resolve) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      if (/applying patches, \d+ of 10000/.test(String(chunk))) resolve(true);
    });
    child.then(() => resolve(false));
  });
  t.true(await seen);
  const asked = performance.now();
  child.kill('SIGINT');
  t.is((await child).exitCode, 130);
  // Meanwhile Kiln removes 2 × 10,000 files.
  t.true(performance.now() - asked < 60_000);
  await isWell(t, at);
});

test.serial('a series that can’t be applied is refused with the reason, and leaves nothing', async (t) => {
  const at = await toy(t);
  const head = (date = 'Thu, 1 Jan 2026 00:00:00 +0000') =>
    `From: A <a@example.org>\nSubject: [PATCH] x\nDate: ${date}\n\nx\n---\n`;
  const add = (path: string, mode = '100644', content = 'x') =>
    `diff --git a/${path} b/${path}\nnew file mode ${mode}\n--- /dev/null\n+++ b/${path}\n@@ -0,0 +1 @@\n+${content}\n`;
  const edit = (old: string) =>
    `diff --git a/init/one.c b/init/one.c\n--- a/init/one.c\n+++ b/init/one.c\n@@ -2,4 +2,4 @@\n int one(void)\n {\n-\treturn ${old};\n+\treturn 1;\n }\n`;
  const link = `${add('up', '120000', at.dir)}\\ No newline at end of file\n`;
  const binary =
    'diff --git a/b b/b\nnew file mode 100644\nindex 0000000..1111111\nBinary files /dev/null and b/b differ\n';
  for (const [name, patch, code, words] of [
    ['outside', head() + add('../outside'), 3, /leads outside the tree/],
    ['through-a-link', head() + link + add('up/evil'), 3, /beyond a symbolic link/],
    ['binary', head() + binary, 3, /binary patch/],
    ['empty', '', 2, /is empty/],
    ['wrong-base', head() + edit('7'), 3, /init\/one\.c, hunk @@ -2,4 \+2,4 @@: the context does not match/],
    ['crlf', (head() + edit('0')).replaceAll('\n', '\r\n'), 0, /./],
    ['undated', head('some day') + edit('0'), 2, /invalid date format: some day/],
    ['good', head() + edit('0'), 0, /./],
  ] as const) {
    const dir = join(at.dir, 'series', name);
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, '0001-x.patch'), patch);
    const { exitCode, stderr } = await at.build(['--series', dir]);
    t.is(exitCode, code, `${name}: ${stderr}`);
    t.regex(stderr, words, name);
    t.deepEqual(await at.left(), [], name);
    t.false(existsSync(join(at.dir, 'evil')));
  }
});

test.serial('an invalid results.json is refused', async (t) => {
  const at = await toy(t);
  const run = join(at.dir, 'runs', 'latest');
  await mkdir(run, { recursive: true });
  const title = '\u001b]0;owned\u0007';
  for (const [content, words] of [
    ['', /not JSON/],
    ['{"schema": 1', /not JSON/],
    ['\u0000\u0001\u0002', /not JSON/],
    ['null', /schema version/],
    ['{"schema": 99}', /schema version 99/],
    [JSON.stringify({ schema: title }), /schema version/],
    [JSON.stringify({ schema: 1, tests: title }), /not valid/],
  ] as const) {
    await writeFile(join(run, 'results.json'), content);
    for (const format of ['text', 'junit', 'ktap', 'json']) {
      const { exitCode, stdout, stderr } = await kiln(['report', '--format', format], { cwd: at.dir });
      t.is(exitCode, 2, stderr);
      t.regex(stderr, words);
      t.false(`${stdout}${stderr}`.includes('\u001b'));
    }
  }
});

test.serial('a FIFO in place of a file is refused, and kiln does not wait for it', async (t) => {
  const at = await toy(t);
  const suite = join(at.dir, 'suite');
  await mkdir(suite);
  await writeFile(join(suite, 'one.c'), 'int main(void) { return 0; }\n');
  for (const [path, words] of [
    ['fifo', ['report', join(at.dir, 'fifo')]],
    ['results.json', ['report', at.dir]],
    ['suite/settings', ['list', '--tests', suite]],
    ['suite/one.settings', ['list', '--tests', suite]],
    ['suite/config', ['list', '--tests', suite]],
  ] as const) {
    const fifo = join(at.dir, path);
    await exec('mkfifo', [fifo]);
    const { exitCode, stderr } = await kiln([...words], { under: ['timeout', '--signal=KILL', '60'] });
    t.is(exitCode, 2, `${path}: ${stderr}`);
    t.true(stderr.includes(`${fifo} is no plain file`), stderr);
    await rm(fifo);
  }
});

/** The accelerator that doctor reports when this command starts it. */
async function accelerator(at: Toy, words: string[]): Promise<string> {
  const [first, ...rest] = [...words, kilnPath, 'doctor', '--json'];
  const { stdout } = await exec(first!, rest, {
    env: { XDG_CACHE_HOME: join(at.dir, 'open'), HOME: at.dir, TMPDIR: join(at.dir, 'open') },
    okCodes: [0, 69],
  });
  const { checks } = JSON.parse(stdout) as { checks: { name: string; found: string }[] };
  return checks.find(({ name }) => name === 'accelerator')!.found;
}

test.serial('a missing, forbidden or wrong /dev/kvm: each has its own reason, and TCG is used', async (t) => {
  const at = await toy(t);
  await mkdir(join(at.dir, 'open'));
  await exec('chmod', ['-R', 'a+rwX', at.dir]);
  const view = ['bwrap', '--dev-bind', '/', '/'];
  const can = await exec('bwrap', [...view.slice(1), 'true']).then(
    () => true,
    () => false,
  );
  if (!can) return void t.pass('not tried: there is no bubblewrap');
  t.is(await accelerator(at, [...view, '--dev', '/dev']), 'tcg: there is no /dev/kvm');
  if (!existsSync('/dev/kvm') || process.getuid?.() !== 0) return;
  t.regex(await accelerator(at, [...view, '--dev-bind', '/dev/null', '/dev/kvm']), /^tcg: .*KVM/i);
  const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
  t.regex(await accelerator(at, nobody), /may not be opened by this user/);
});

test.serial('a QEMU that lacks a device is an infrastructure error, with QEMU’s message', async (t) => {
  const at = await toy(t);
  const bin = join(at.dir, 'bin');
  await mkdir(bin);
  const words = "qemu-system-x86_64: -device vmgenid,guid=auto: 'vmgenid' is not a valid device model name";
  const script = `#!/bin/sh\ncase "$*" in --version) echo "QEMU emulator version 7.2.0";; *) echo "${words}" >&2; exit 1;; esac\n`;
  await writeFile(join(bin, 'qemu-system-x86_64'), script, { mode: 0o755 });
  const { exitCode, stdout } = await at.test([], { PATH: `${bin}:${process.env.PATH}` });
  t.is(exitCode, 69, stdout);
  t.true(stdout.includes('is not a valid device model name'), stdout);
  await rename(bin, `${bin}.gone`);
  await isWell(t, at);
});
