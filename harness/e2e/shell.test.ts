// SPDX-License-Identifier: MIT
// Interactive guests, booted and forked, with commands from a pipe and at a terminal.
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { type Child, exec, spawn } from '../util/exec.ts';
import { quote } from '../util/quote.ts';
import { kiln, kilnPath } from './kiln.ts';

const scratch = await mkdtemp(join(tmpdir(), 'kiln-shell-'));
test.after.always(() => rm(scratch, { recursive: true, force: true }));

for (const options of [[], ['--fork']])
  test.serial(`${['shell', ...options].join(' ')} ends with the last command of a pipe`, async (t) => {
    const input =
      'echo kernel $(uname -r)\nsleep 1\nls /tests\necho score $(cat /proc/self/oom_score_adj)\nseq 500\n';
    const { exitCode, stdout } = await kiln(['shell', ...options], { input });
    t.is(exitCode, 0, stdout);
    t.regex(stdout, /^kernel 6\.12\./m);
    t.regex(stdout, /^score 0\r?$/m);
    t.regex(stdout, /srvfs/);
    t.regex(stdout, /^500\r?$/m, 'all output arrives');
  });

test.serial('a booted guest ends with exit', async (t) => {
  const { exitCode, stdout } = await kiln(['shell'], { input: 'echo kernel $(uname -r)\nls /tests\nexit\n' });
  t.is(exitCode, 0, stdout);
  t.regex(stdout, /kernel 6\.12\./);
  t.regex(stdout, /srvfs/);
});

test.serial('forks of one template have the host’s time and different random numbers', async (t) => {
  const uuids = [];
  for (let i = 0; i < 2; i++) {
    const input = 'echo time $(date +%s)\necho uuid $(cat /proc/sys/kernel/random/uuid)\nexit\n';
    const { exitCode, stdout, stderr } = await kiln(['shell', '--fork'], { input });
    t.is(exitCode, 0, stdout);
    t.notRegex(stderr, /booted, not forked/);
    const seconds = Number(/^time (\d+)/m.exec(stdout)?.[1]);
    t.true(Math.abs(seconds - Date.now() / 1000) < 60, stdout);
    uuids.push(/^uuid ([0-9a-f-]{36})/m.exec(stdout)?.[1]);
  }
  t.is(new Set(uuids).size, 2);
  t.false(uuids.includes(undefined));
});

test.serial(
  'a fork gets the terminal’s size, keys and resizes; afterwards the terminal is restored',
  async (t) => {
    const name = join(scratch, 'tty');
    const words = [
      `tty > ${quote(name)}`,
      'stty rows 37 cols 101',
      'before=$(stty -g)',
      `${quote(kilnPath)} shell --fork`,
      'echo "code $?"',
      '[ "$before" = "$(stty -g)" ] && echo "terminal as before"',
    ];
    // script(1) runs a command on a pseudo-terminal and relays its output.
    const child = spawn('script', ['--quiet', '--command', words.join('; '), '/dev/null'], {
      endSignal: 'KILL',
      stdin: 'pipe',
      env: { CI: '1' },
    });
    const sees = screenOf(child);
    t.true(await sees(/guest# /));
    child.stdin!.write('echo size $(stty size)\r');
    t.true(await sees(/^size 37 101\r/m));
    child.stdin!.write('echo asleep; sleep 10000\r');
    t.true(await sees(/^asleep\r/m));
    child.stdin!.write('\x03');
    child.stdin!.write('echo awake $?\r');
    t.true(await sees(/^awake 130\r/m));
    child.stdin!.write('until [ "$(stty size)" = "20 70" ]; do usleep 50000; done; echo resized\r');
    await exec('stty', ['-F', (await readFile(name, 'utf8')).trim(), 'rows', '20', 'cols', '70']);
    t.true(await sees(/^resized\r/m));
    child.stdin!.write('\x04');
    t.true(await sees(/^code 0\r/m));
    t.true(await sees(/^terminal as before\r/m));
    await child;
  },
);

test.serial('a guest that can’t be forked is booted, and a warning has the reason', async (t) => {
  const qemu = join(scratch, 'qemu-system-x86_64');
  const refuse = 'case "$*" in *-incoming*) echo no forks today >&2; exit 1;; esac';
  await writeFile(qemu, `#!/bin/sh\n${refuse}\nPATH=\${PATH#*:}\nexec qemu-system-x86_64 "$@"\n`);
  await chmod(qemu, 0o755);
  const env = { PATH: `${scratch}:${process.env.PATH}` };
  const { exitCode, stdout, stderr } = await kiln(['shell', '--fork'], {
    env,
    input: 'echo it $((6 * 7))\n',
  });
  t.is(exitCode, 0, stderr);
  t.regex(stderr, /guests are booted, not forked: .*no forks today/);
  t.regex(stdout, /^it 42/m);
});

/** Waits until the output so far matches; false after two minutes. */
function screenOf(child: Child): (pattern: RegExp) => Promise<boolean> {
  let all = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    all += chunk.toString('latin1');
  });
  return async (pattern) => {
    for (const until = Date.now() + 120_000; Date.now() < until; await setTimeout(20))
      if (pattern.test(all)) return true;
    return false;
  };
}
