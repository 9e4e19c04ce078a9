// SPDX-License-Identifier: MIT
// Tests that go from kernel to kernel, and what becomes of those that do not arrive.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';
import type { TestResult } from '../schema.ts';
import { besideDefaults, find, kilnTest, verdicts } from './kiln.ts';

const fixture = (name: string) => join(paths.root, 'harness', 'fixtures', name);
const suites = besideDefaults(fixture('kexec'), fixture('kexec_trouble'));

test.serial('a test goes through its kernels: by kexec, by a panic, by a reset', async (t) => {
  await kilnTest(['kexec', ...suites], async ({ exitCode, results, dir, stdout }) => {
    t.deepEqual(verdicts(results), {
      'kexec/counts': 'pass',
      'kexec/panics': 'pass',
      'kexec/resets': 'pass',
    });
    t.is(exitCode, 0);
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

    // Each kernel has its own figures and logs, and what the last one's processes printed is not in them.
    const second = counts.generations![1]!;
    t.true(second.blackout_ms! > second.boot_ms! / 2 && second.boot_ms! > 0);
    t.regex(await readFile(join(dir, second.kmsg), 'utf8'), /^\d+,0,0,-;Linux version /);
    t.regex(await readFile(join(dir, second.kmsg), 'utf8'), /Command line: .*kiln\.generation=1/);
    t.regex(await readFile(join(dir, second.output), 'utf8'), /^TAP version 13\n1\.\.2\nok 1 /);
  });
});

test.serial('a kernel that does not come up is told from one that lost something', async (t) => {
  await kilnTest(['kexec_trouble', ...suites], ({ exitCode, results }) => {
    t.deepEqual(verdicts(results), {
      'kexec_trouble/dead_kernel': 'crash',
      'kexec_trouble/leaps': 'fail',
      'kexec_trouble/lost_data': 'fail',
      'kexec_trouble/nothing_loaded': 'fail',
      'kexec_trouble/panics_early': 'crash',
      'kexec_trouble/stays': 'fail',
      'kexec_trouble/taints': 'fail',
      'kexec_trouble/too_far': 'fail',
    });
    t.is(exitCode, 1);
    const detail = (name: string) => find(results, `kexec_trouble/${name}`).detail;
    t.regex(detail('dead_kernel'), /^generation 1: the kernel died during boot: .*Unable to mount root fs/);
    t.is(detail('leaps'), 'generation 0: it asked for generation 7 next, of 3 (settings: generations=)');
    t.is(detail('lost_data'), 'generation 1: 1 of 1 cases failed: kept');
    t.regex(
      detail('nothing_loaded'),
      /^generation 1: the kernel did not leave for the next one: .*Invalid argument/,
    );
    t.regex(detail('panics_early'), /the kernel died during the test: .*sysrq/i);
    t.regex(detail('stays'), /^generation 0: it ended before the last of 3 generations$/);
    t.regex(detail('too_far'), /there are only 1 generations/);
    t.is(detail('taints'), 'generation 1: kernel tainted: U, user space asked for it');
    t.is(find(results, 'kexec_trouble/taints').splats.length, 1);
    // It went on, and the rest of it was seen.
    t.is(find(results, 'kexec_trouble/lost_data').generations!.length, 3);
  });
});

function ways({ generations }: TestResult): string[] {
  return generations!.map(({ by }) => by);
}
