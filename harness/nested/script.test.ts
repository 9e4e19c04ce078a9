// SPDX-License-Identifier: MIT
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { exec } from '../util/exec.ts';
import { commandScript } from './script.ts';

test('a command runs in its directory, with its words and its environment', async (t) => {
  const dir = await realpath(await mkdtemp(join(tmpdir(), "kiln's test ")));
  t.teardown(() => rm(dir, { recursive: true }));
  const words = ['sh', '-c', 'pwd; echo "$ODD"; printf "<%s>" "$@"; exit 3', 'sh', "it's", '', '$HOME `x` *'];
  const script = commandScript(words, dir, {
    PATH: process.env.PATH,
    ODD: "a\n'b' $c",
    'BASH_FUNC_x%%': 'x',
  });
  const { stdout, exitCode } = await exec('sh', ['-c', script], { okCodes: [3] });
  t.is(stdout, `${dir}\na\n'b' $c\n<it's><><$HOME \`x\` *>`);
  t.is(exitCode, 3);
});

test('Kiln waits longer for guests there, unless the user says how long', (t) => {
  t.regex(commandScript(['true'], '/', {}), /^export KILN_PATIENCE=10$/m);
  t.regex(commandScript(['true'], '/', { KILN_PATIENCE: '3' }), /^export KILN_PATIENCE=3$/m);
});
