// SPDX-License-Identifier: MIT
import { type ChildProcess, spawn as spawnNode } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { asKilnError, KilnError } from '../errors.ts';
import { type ChildResult, exec, spawn } from './exec.ts';

test('output, errors and exit code come back apart', async (t) => {
  t.deepEqual(await exec('sh', ['-c', 'echo out; echo err >&2']), {
    stdout: 'out',
    stderr: 'err',
    exitCode: 0,
  });
});

test('input, directory and environment are passed; without input there is none', async (t) => {
  const { stdout } = await exec('sh', ['-c', 'cat; pwd; echo $EXTRA; echo "$PATH"'], {
    input: 'in\n',
    cwd: '/',
    env: { EXTRA: 'more' },
  });
  t.deepEqual(stdout.split('\n'), ['in', '/', 'more', process.env.PATH ?? '']);
  t.is((await exec('cat', [])).stdout, '');
});

test('arguments reach the program unchanged, without a shell', async (t) => {
  const words = ['--', '-n', '$HOME', '; id', '*', '', "it's", 'a\nb'];
  t.is((await exec('printf', ['%s|', ...words])).stdout, words.map((word) => `${word}|`).join(''));
});

test('a megabyte in and out is whole', async (t) => {
  const input = Buffer.alloc(1_000_000, 'kiln ');
  t.is((await exec('cat', [], { input })).stdout, input.toString());
});

test('an exit code that is no error is returned', async (t) => {
  t.is((await exec('sh', ['-c', 'exit 3'], { okCodes: [0, 3] })).exitCode, 3);
  await t.throwsAsync(exec('true', [], { okCodes: [1] }), { message: /exit code 0/ });
});

test('an error has the command, how it ended, and the end of its output', async (t) => {
  const error = await failure(t, exec('sh', ['-c', 'seq 1 30; echo why >&2; exit 7']));
  t.is(error.code, 'infrastructure');
  t.is(error.message, 'sh failed with exit code 7');
  t.is(error.details.command, 'sh -c seq 1 30; echo why >&2; exit 7');
  t.deepEqual(error.details.output?.split('\n').slice(-2), ['30', 'why']);
  t.is(error.details.output?.split('\n').length, 20);
});

test('a line without end is cut, for who reads lines and in errors', async (t) => {
  const lines: string[] = [];
  const script = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last; exit 1";
  const error = await failure(t, exec('sh', ['-c', script], { onLine: (line) => lines.push(line) }));
  t.deepEqual([lines.length, lines[0]?.length, lines[1]], [2, 10_001, 'last']);
  t.regex(error.details.output!, /^x{10000}…\nlast$/);
});

test('a program that prints nothing any more is ended; one that prints now and then is not', async (t) => {
  // Longer than a busy machine keeps a program from its first line.
  const silence = 4000;
  const mute = failure(t, exec('sh', ['-c', 'echo first; exec sleep 600'], { silence }));
  const talks = exec('sh', ['-c', 'for i in 1 2 3 4 5 6; do echo $i; sleep 1; done'], { silence });
  const error = await mute;
  t.is(error.code, 'infrastructure');
  t.is(error.message, 'sh printed nothing for 4 s and was ended');
  t.is(error.details.output, 'first');
  t.is((await talks).stdout, '1\n2\n3\n4\n5\n6');
});

test('a signal, a missing program and a missing directory give different messages', async (t) => {
  t.is((await failure(t, exec('sh', ['-c', 'kill -SEGV $$']))).message, 'sh was killed by SIGSEGV');
  t.regex((await failure(t, exec('kiln-no-such-program', []))).message, /was not found/);
  t.regex((await failure(t, exec('true', [], { cwd: '/kiln-absent' }))).message, /could not be started/);
});

test('when the call returns, onLine has had every line, also a last one without its end', async (t) => {
  const lines: string[] = [];
  await exec('sh', ['-c', 'seq 1 50000; printf end'], { onLine: (line) => lines.push(line) });
  t.deepEqual([lines.length, lines.at(-2), lines.at(-1)], [50_001, '50000', 'end']);
});

test('a line of one stream is not torn by the other', async (t) => {
  const lines: string[] = [];
  const word = 'x'.repeat(99);
  const script = `yes ${word} | head -20000 & yes ${word} | head -20000 >&2; wait`;
  await exec('sh', ['-c', script], { onLine: (line) => lines.push(line) });
  t.deepEqual([...new Set(lines.filter((line) => line !== word))], []);
});

test('when the call fails, onLine has had every line', async (t) => {
  const lines: string[] = [];
  await t.throwsAsync(exec('sh', ['-c', 'seq 1 50000; exit 1'], { onLine: (line) => lines.push(line) }));
  t.is(lines.length, 50_000);
});

test('lines come as they are printed', async (t) => {
  const dir = await scratch(t);
  const flag = join(dir, 'seen');
  const script = `echo first; while [ ! -e ${flag} ]; do sleep 0.02; done; echo second`;
  const seen: string[] = [];
  await exec('sh', ['-c', script], {
    timeout: 20_000,
    onLine: (line) => {
      seen.push(line);
      void writeFile(flag, '');
    },
  });
  t.deepEqual(seen, ['first', 'second']);
});

test('a program that does not end in time is ended', async (t) => {
  const error = await failure(t, exec('sleep', ['600'], { timeout: 100 }));
  t.is(error.message, 'sleep did not end in time');
  t.is((error.cause as ChildResult).signal, 'SIGTERM');
});

test('a program that ignores SIGTERM is killed five seconds later', async (t) => {
  const controller = new AbortController();
  let aborted = 0;
  let pid = 0;
  const running = exec('sh', ['-c', 'trap "" TERM; echo $$; while :; do sleep 0.05; done'], {
    signal: controller.signal,
    onLine: (line) => {
      pid = Number(line);
      aborted = performance.now();
      controller.abort();
    },
  });
  t.is((await failure(t, running)).code, 'interrupted');
  const seconds = (performance.now() - aborted) / 1000;
  t.true(seconds > 4, `${seconds} s`);
  t.false(await isAlive(pid));
});

test('an abort ends the program and is an interruption', async (t) => {
  const controller = new AbortController();
  let pid = 0;
  const running = exec('sh', ['-c', 'echo $$; exec sleep 60'], {
    signal: controller.signal,
    onLine: (line) => {
      pid = Number(line);
      controller.abort();
    },
  });
  t.is((await failure(t, running)).code, 'interrupted');
  t.false(await isAlive(pid));
});

test('after an abort nothing is started any more', async (t) => {
  const dir = await scratch(t);
  const file = join(dir, 'made');
  const error = await t.throwsAsync(exec('touch', [file], { signal: AbortSignal.abort() }));
  t.is(asKilnError(error).code, 'interrupted');
  await t.throwsAsync(readFile(file), { code: 'ENOENT' });
});

for (const endSignal of ['TERM', 'KILL'] as const) {
  test(`kill -9 of Kiln ends what it runs, with SIG${endSignal}`, async (t) => {
    const script = `
      import { spawn } from '${pathToFileURL(join(import.meta.dirname, 'exec.ts'))}';
      const child = spawn('sleep', ['600'], { endSignal: '${endSignal}' });
      console.log(child.pid);
      await child;`;
    const { parent, line } = await start(t, script);
    const pid = Number(line);
    t.true(await isAlive(pid));
    t.is(await readFile(`/proc/${pid}/cmdline`, 'utf8'), 'sleep\x00600\x00');
    parent.kill('SIGKILL');
    t.true(await ends(pid));
  });
}

test('the program is the child itself, so a signal reaches it', async (t) => {
  const child = spawn('sleep', ['600']);
  t.true(child.kill('SIGKILL'));
  t.is((await child).signal, 'SIGKILL');
});

/** Another Node that runs a script; resolves with its first line of output. */
async function start(t: ExecutionContext, script: string): Promise<{ parent: ChildProcess; line: string }> {
  const file = join(await scratch(t), 'script.ts');
  await writeFile(file, script);
  const parent = spawnNode(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => parent.kill('SIGKILL'));
  const [line] = (await once(createInterface({ input: parent.stdout! }), 'line')) as [string];
  return { parent, line };
}

async function ends(pid: number): Promise<boolean> {
  const until = performance.now() + 10_000;
  while (await isAlive(pid)) {
    if (performance.now() > until) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

/** A zombie, which waits only for its parent, is not alive. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/\) [ZX] /.test(stat);
}

async function failure(t: ExecutionContext, running: Promise<unknown>): Promise<KilnError> {
  return (await t.throwsAsync<KilnError>(running, { instanceOf: KilnError })) as KilnError;
}

async function scratch(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
