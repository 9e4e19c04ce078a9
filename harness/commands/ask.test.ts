// SPDX-License-Identifier: MIT

import test from 'ava';
import { Command } from 'commander';
import { jobOptions } from '../job/plan.ts';
import { addBuildOptions, type JobOptions, readPlan, runsDirectory } from './ask.ts';

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
