// SPDX-License-Identifier: MIT

import * as arch from '../guest/arch/x86_64.ts';
import type { CaseVerdict, Change, Ci, JobResult, Results, TestResult, Verdict } from '../schema.ts';
import { printable } from '../util/printable.ts';
import { ciOf } from './changes.ts';
import { explain } from './groups.ts';
import type { Kcidb, KcidbStatus } from './kcidbSchema.ts';
import { cut, oneLine } from './plain.ts';

const origin = 'kiln';
const longestExcerpt = 16_384;

/**
 * A run for KernelCI's database: each job is a checkout and its build, each test and each case of it a test. Kiln has no
 * addresses where its files could be fetched, so it submits excerpts.
 */
export function kcidbReport(results: Results): Kcidb {
  const ci = ciOf(results);
  const jobs = results.jobs.map((job) => ({ job, id: `${origin}:${results.id}:${plainId(job.id)}` }));
  const buildOf = new Map(jobs.map(({ job, id }) => [job.id, id]));
  return {
    version: { major: 5, minor: 3 },
    checkouts: jobs.map(({ job, id }) => checkoutOf(job, id, results, ci)),
    builds: jobs.filter(({ job }) => isValid(job) !== false).map(({ job, id }) => buildOfJob(job, id)),
    tests: results.tests.flatMap((test, index) => {
      const build = buildOf.get(test.job);
      return build === undefined ? [] : testsOf(test, index, build, results, ci);
    }),
  };
}

function checkoutOf(job: JobResult, id: string, { started }: Results, ci: Ci): Kcidb['checkouts'][number] {
  const isBase = job.id === ci.base_job;
  const { message_id, subject } = ci.series;
  const { source, version, sha256, commit } = job.base;
  const valid = isValid(job);
  // Of other sources, the commit is one that Kiln made.
  const hash =
    source.startsWith('git:') && commit !== null && /^[0-9a-f]{40}$/.test(commit) ? commit : undefined;
  return {
    id,
    origin,
    ...optional('git_commit_hash', hash),
    ...optional('patchset_hash', isBase ? '' : undefined),
    ...optional(
      'message_id',
      !isBase && message_id && /^[^@\s]+@[^@\s]+$/.test(message_id) ? message_id : undefined,
    ),
    comment: isBase ? 'the base of a series' : oneLine(subject),
    start_time: started,
    ...optional('valid', valid),
    misc: { source, version, sha256 },
  };
}

/** Whether the patches apply; undefined if the job did not get that far. */
function isValid({ keys, error }: JobResult): boolean | undefined {
  if (error?.code === 'does-not-apply') return false;
  return keys.tree === null && error ? undefined : true;
}

function buildOfJob(job: JobResult, id: string): Kcidb['builds'][number] {
  const stage = job.stages.find(({ name }) => name === 'kernel');
  return {
    checkout_id: id,
    id,
    origin,
    ...optional('duration', stage && !stage.cached ? stage.duration_ms / 1000 : undefined),
    architecture: arch.name,
    ...optional('compiler', job.compiler ? oneLine(job.compiler) : undefined),
    config_name: oneLine(job.config.join(' ')),
    ...optional('log_excerpt', job.error && !job.kernel ? excerptText(job.error.message) : undefined),
    status: buildStatus(job),
    misc: { release: job.kernel?.release, warnings: job.kernel?.warnings.length },
  };
}

function buildStatus({ kernel, error }: JobResult): KcidbStatus {
  if (kernel) return 'PASS';
  return error?.code === 'does-not-build' || error?.code === 'config-missing' ? 'FAIL' : 'MISS';
}

/** An infrastructure error says nothing of the code. An expected failure is as it should be. */
const statuses: Record<Verdict | CaseVerdict, KcidbStatus> = {
  pass: 'PASS',
  xfail: 'PASS',
  skip: 'SKIP',
  fail: 'FAIL',
  timeout: 'FAIL',
  crash: 'FAIL',
  error: 'MISS',
};

function testsOf(test: TestResult, index: number, build: string, { jobs }: Results, ci: Ci): Kcidb['tests'] {
  const job = jobs.find(({ id }) => id === test.job);
  const environment = {
    comment: `QEMU, ${job?.accelerator.name ?? 'unknown accelerator'}`,
    misc: { memory: test.guest?.memory, cpus: test.guest?.cpus, cpu: job?.accelerator.cpu },
  };
  const about = { build_id: build, origin, environment };
  const path = pathOf(test.suite, test.test);
  const of = (name: string | null) =>
    ci.changes.filter((one) => one.suite === test.suite && one.test === test.test && one.case === name);
  return [
    {
      ...about,
      id: `${build}:${index}`,
      path,
      ...optional('comment', test.detail === '' ? undefined : oneLine(test.detail)),
      ...optional('log_excerpt', test.verdict === 'pass' ? undefined : excerptText(explain(test))),
      status: statuses[test.verdict],
      duration: test.duration_ms / 1000,
      misc: { verdict: test.verdict, ...changesMisc(of(null)) },
    },
    ...test.cases.map(({ name, verdict, detail }, number) => ({
      ...about,
      id: `${build}:${index}:${number}`,
      path: `${path}.${pathOf(name)}`,
      ...optional('log_excerpt', detail === '' ? undefined : excerptText(detail)),
      status: statuses[verdict],
      misc: { name: oneLine(name), verdict, ...changesMisc(of(name)) },
    })),
  ];
}

function changesMisc(changes: readonly Change[]): object {
  return changes.length === 0
    ? {}
    : { changes: changes.map(({ kind, sentence }) => ({ kind, sentence: oneLine(sentence) })) };
}

/** Names as a path: what a path cannot have becomes `_`. */
function pathOf(...names: string[]): string {
  return names
    .flatMap((name) => cut(oneLine(name), 200).split('.'))
    .map((one) => one.replace(/[^a-zA-Z0-9_-]/g, '_') || '_')
    .join('.');
}

function plainId(id: string): string {
  return oneLine(id).replaceAll(' ', '_');
}

function excerptText(text: string): string {
  return cut(printable(text.slice(0, 2 * longestExcerpt)), longestExcerpt);
}

function optional<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [name in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [name in Name]?: Value });
}
