// SPDX-License-Identifier: MIT

import test from 'ava';
import { Command } from 'commander';
import { asKilnError } from '../errors.ts';
import { jobOptions } from '../job/plan.ts';
import { addBuildOptions, type JobOptions, readPlan, refuseTilde, runsDirectory } from './ask.ts';

async function parse(...words: string[]) {
  const command = addBuildOptions(new Command()).exitOverride();
  command.parse(words, { from: 'user' });
  return (await readPlan([], command.opts<JobOptions>())).ask;
}

test('the options that a reproduce line has give the same job again', async (t) => {
  const given = [
    ['--llvm'],
    ['--llvm=-19'],
    ['--llvm=/opt/llvm/bin/'],
    ['--cc', 'gcc-11'],
    ['--set', 'KSM=y', '--set', 'NR_CPUS=8'],
    ['--config', 'kasan,./my.config', '--config-from', '/boot/config'],
    ['--tree', '/src/linux'],
    ['--tree', '/src/linux', '--series', 'fix.mbox'],
  ];
  for (const words of given) {
    const ask = await parse(...words);
    const again = jobOptions(ask).trim().split(' ');
    t.deepEqual(await parse(...again), ask, words.join(' '));
  }
});

test('a version of LLVM is a suffix, with or without its minus', async (t) => {
  t.is((await parse('--llvm', '19')).compiler.llvm, '-19');
  t.is((await parse('--llvm')).compiler.llvm, '1');
  t.is((await parse()).compiler.llvm, null);
});

test('run directories are in the project that --project names', (t) => {
  t.is(runsDirectory({}), 'runs');
  t.is(runsDirectory({ project: '/my' }), '/my/runs');
  t.is(runsDirectory({ project: '/my', out: 'there' }), 'there');
});

test('a ~ that the shell did not expand is refused, with what to write instead', (t) => {
  const refusal = (word: string) => {
    try {
      refuseTilde(['test', word]);
      return null;
    } catch (error) {
      const { code, message, hint } = asKilnError(error);
      return `${code}: ${message}; ${hint}`;
    }
  };
  t.is(
    refusal('git:~/linux#v6.12..work'),
    'usage: ~ in git:~/linux#v6.12..work is no home directory: the shell did not expand it; write git:$HOME/linux#v6.12..work',
  );
  t.regex(refusal('--inbox=~/lore')!, /write --inbox=\$HOME\/lore$/);
  for (const word of [
    '~/x',
    'tree:~/x',
    'tar:~/x.tar',
    '--config=~/x',
    'kasan,~/my.config',
    'git:~ann/x#a..b',
  ])
    t.not(refusal(word), null, word);
  for (const word of [
    './~/x',
    'git:x#a~/b',
    'git:linux#v6~3..v6',
    '--set=X=~/x',
    '-n~',
    'backup~',
    'git:/a/~x/b#c',
  ])
    t.is(refusal(word), null, word);
});
