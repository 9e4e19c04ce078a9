// SPDX-License-Identifier: MIT
// Tests that go from kernel to kernel, and tests whose next kernel does not come up.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { TestResult } from '../schema.ts';
import { assertExpected, fixture, readCanaries, verdictsOf } from './canaries.ts';
import { find, sharedRun, verdicts, withTests } from './kiln.ts';

const suites = ['kexec', 'kexec_trouble'];
const all = await readCanaries(...suites);
const shared = sharedRun([...suites, ...withTests(...suites.map(fixture))]);

for (const canary of all) test(canary.name, (t) => assertExpected(t, shared.ran.results, canary));

test('there are only the expected verdicts, and the exit code is that of failures', (t) => {
  t.deepEqual(verdicts(shared.ran.results), verdictsOf(all));
  t.is(shared.ran.exitCode, 1);
});

test('a test reaches its next kernel by kexec, by a panic or by a reset', async (t) => {
  const { results, dir, stdout } = shared.ran;
  t.regex(stdout, /kexec\/counts \(6 cases on 3 kernels, /);
  const counts = find(results, 'kexec/counts');
  t.deepEqual(
    counts.cases.map(({ name }) => name),
    [0, 1, 2].flatMap((generation) => [
      `generation ${generation} > nothing_is_kept_in_memory`,
      `generation ${generation} > generation_${generation}_of_3`,
    ]),
  );
  t.deepEqual(ways(counts), ['boot', 'kexec', 'kexec']);
  t.deepEqual(ways(find(results, 'kexec/panics')), ['boot', 'panic']);
  t.deepEqual(ways(find(results, 'kexec/resets')), ['boot', 'reboot', 'reboot']);

  // Each kernel has its own measurements and logs, without output of the previous kernel's processes.
  const second = counts.generations![1]!;
  t.true(second.blackout_ms! > second.boot_ms! / 2 && second.boot_ms! > 0);
  t.regex(await readFile(join(dir, second.kmsg), 'utf8'), /^\d+,0,0,-,caller=T0;Linux version /);
  t.regex(await readFile(join(dir, second.kmsg), 'utf8'), /Command line: .*kiln\.generation=1/);
  t.regex(await readFile(join(dir, second.output), 'utf8'), /^TAP version 13\n1\.\.2\nok 1 /);
});

test('a kernel that does not come up and one that lost data have different details', (t) => {
  const { results } = shared.ran;
  const detail = (name: string) => find(results, `kexec_trouble/${name}`).detail;
  t.regex(detail('dead_kernel'), /^generation 1: the kernel died during boot: .*Unable to mount root fs/);
  t.is(detail('leaps'), 'generation 0: it asked for generation 7 next, of 3 (settings: generations=)');
  t.is(detail('lost_data'), 'generation 1: 1 of 1 case failed: kept');
  t.regex(
    detail('nothing_loaded'),
    /^generation 1: the kernel did not leave for the next one: .*Invalid argument/,
  );
  t.regex(detail('panics_early'), /the kernel died during the test: .*sysrq/i);
  t.regex(detail('stays'), /^generation 0: it ended before the last of 3 generations$/);
  t.regex(detail('too_far'), /generation 1 is beyond the last, 0 /);
  t.is(detail('taints'), 'generation 1: kernel tainted: U, user space asked for it');
  t.is(find(results, 'kexec_trouble/taints').splats.length, 1);
  // The test continued on the later kernels.
  t.is(find(results, 'kexec_trouble/lost_data').generations!.length, 3);
});

function ways({ generations }: TestResult): string[] {
  return generations!.map(({ by }) => by);
}
