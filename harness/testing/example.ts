// SPDX-License-Identifier: MIT
import { countVerdicts, type JobResult, type Results, resultsVersion, type TestResult } from '../schema.ts';

/** A run for the tests of what renders runs: one passing test, changed as the test needs it. */
export function exampleResults(tests: Partial<TestResult>[] = [{}], more: Partial<Results> = {}): Results {
  const all = tests.map(exampleTest);
  return {
    schema: resultsVersion,
    kiln: '0.1.0',
    id: '2026-01-02T030405-abcd',
    started: '2026-01-02T03:04:05.000Z',
    duration_ms: 12_345,
    exit_code: 0,
    command: ['kiln', 'test', 'demo'],
    summary: {
      ...countVerdicts(all.map((test) => test.verdict)),
      cases: countVerdicts(all.flatMap((test) => test.cases.map((item) => item.verdict))),
    },
    jobs: [exampleJob()],
    tests: all,
    errors: [],
    ...more,
  };
}

/** One test, passing unless said otherwise. */
export function exampleTest(more: Partial<TestResult> = {}): TestResult {
  return {
    suite: 'demo',
    test: 'first',
    job: 'job-1',
    verdict: 'pass',
    detail: '',
    cases: [{ name: 'global.works', verdict: 'pass', detail: '' }],
    splats: [],
    problems: [],
    duration_ms: 250,
    boot_ms: 1400,
    guest: {
      qemu: ['qemu-system-x86_64', '-machine', 'q35'],
      console: 'tests/demo/first/console.log',
      kmsg: 'tests/demo/first/kmsg.log',
      output: 'tests/demo/first/output.log',
      memory: 512,
      cpus: 2,
      cmdline: 'console=ttyS0 panic=-1',
    },
    artifacts: [],
    reproduce: 'kiln test demo/first',
    ...more,
  };
}

/** Of a limit of a minute on an idle host. */
export const exampleTime: NonNullable<TestResult['time']> = {
  limit_ms: 60_000,
  scale: 1,
  elapsed_ms: 40_000,
  lost_ms: 0,
  stopped_ms: 0,
};

/** One job that built a kernel. */
export function exampleJob(more: Partial<JobResult> = {}): JobResult {
  return {
    id: 'job-1',
    base: {
      source: 'debian:linux-source-6.12',
      version: '6.12.117',
      sha256: 'ab'.repeat(32),
      commit: 'cd'.repeat(20),
    },
    series: [
      {
        name: 'srvfs',
        source: 'patches/srvfs',
        patches: [{ file: '0001-srvfs.patch', subject: 'fs: add srvfs', commit: 'ef'.repeat(20) }],
      },
    ],
    config: ['base', 'x86_64'],
    accelerator: { name: 'tcg', reason: '/dev/kvm is missing' },
    kernel: { release: '6.12.117', key: '0123', warnings: [] },
    keys: { tree: '01', kernel: '02', image: '03' },
    stages: [{ name: 'kernel', duration_ms: 1000, cached: true }],
    left_out: [],
    error: null,
    ...more,
  };
}
