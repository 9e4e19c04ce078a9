// SPDX-License-Identifier: MIT
import test from 'ava';
import type { TestResult } from '../schema.ts';
import { type Generation, mergeGenerations } from './generations.ts';

test('of several generations the worst decides, and the result has everything of all', (t) => {
  const merged = mergeGenerations([
    generation('boot', null, { boot_ms: 1000, duration_ms: 10, problems: ['a'] }),
    generation('kexec', 900, { verdict: 'fail', detail: 'it broke', reproduce: 'again', guest: guest('1/') }),
    generation('kexec', 800, { verdict: 'crash', detail: 'it died', boot_ms: null, guest: guest('2/') }),
  ]);
  t.is(merged.verdict, 'crash');
  t.is(merged.detail, 'generation 2: it died');
  t.is(merged.boot_ms, 1000);
  t.is(merged.duration_ms, 20);
  t.is(merged.guest?.console, '2/console');
  t.deepEqual(merged.problems, ['generation 0: a']);
  t.deepEqual(
    merged.cases.map(({ name }) => name),
    ['generation 0 > one', 'generation 1 > one', 'generation 2 > one'],
  );
  t.deepEqual(
    merged.generations!.map(({ generation, by, blackout_ms, verdict, console }) => [
      generation,
      by,
      blackout_ms,
      verdict,
      console,
    ]),
    [
      [0, 'boot', null, 'pass', '0/console'],
      [1, 'kexec', 900, 'fail', '1/console'],
      [2, 'kexec', 800, 'crash', '2/console'],
    ],
  );
});

test('a test that passes has no detail, and the logs of its first kernel', (t) => {
  const merged = mergeGenerations([
    generation('boot', null),
    generation('panic', null, { guest: guest('1/') }),
  ]);
  t.deepEqual([merged.verdict, merged.detail, merged.guest?.console], ['pass', '', '0/console']);
});

function generation(
  by: Generation['by'],
  blackout: number | null,
  result: Partial<TestResult> = {},
): Generation {
  return {
    by,
    blackout_ms: blackout,
    release: '6.12',
    result: {
      suite: 's',
      test: 't',
      job: 'j',
      verdict: 'pass',
      detail: '',
      cases: [{ name: 'one', verdict: 'pass', detail: '' }],
      splats: [],
      problems: [],
      duration_ms: 5,
      boot_ms: 1,
      guest: guest('0/'),
      artifacts: [],
      reproduce: null,
      ...result,
    },
  };
}

function guest(dir: string): TestResult['guest'] {
  const files = { console: `${dir}console`, kmsg: `${dir}kmsg`, output: `${dir}output` };
  return { qemu: [], ...files, memory: 512, cpus: 1, cmdline: '' };
}
