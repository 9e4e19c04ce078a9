// SPDX-License-Identifier: MIT
import test, { type ExecutionContext } from 'ava';
import type { Results } from '../schema.ts';
import { exampleJob } from '../testing/example.ts';
import { exampleCi } from '../testing/exampleCi.ts';
import { kcidbReport } from './kcidb.ts';
import { type Kcidb, kcidbSchema } from './kcidbSchema.ts';

/** As the database would read it. */
function submitted(t: ExecutionContext, results: Results): Kcidb {
  const read = kcidbSchema.safeParse(JSON.parse(JSON.stringify(kcidbReport(results))));
  if (!read.success) return t.fail(read.error.message) as never;
  return read.data;
}

test('a job is a checkout and a build; the base has no patches', (t) => {
  const { checkouts, builds } = submitted(t, exampleCi());
  const id = 'kiln:2026-01-02T030405-abcd';
  t.deepEqual(
    checkouts.map((one) => one.id),
    [`${id}:base`, `${id}:patch-1`, `${id}:patch-2`, `${id}:patch-3`],
  );
  t.is(checkouts[0]!.patchset_hash, '');
  t.is(checkouts[0]!.message_id, undefined);
  t.is(checkouts[3]!.message_id, '20260102-demo-v2-0-0a1b2c@example.org');
  t.is(checkouts[3]!.comment, 'demo: count the users');
  t.true(checkouts[3]!.valid);
  // Kiln made this commit from an archive.
  t.is(checkouts[3]!.git_commit_hash, undefined);
  const [build] = builds.slice(-1);
  t.like(build, {
    checkout_id: `${id}:patch-3`,
    id: `${id}:patch-3`,
    status: 'PASS',
    architecture: 'x86_64',
  });
  t.like(build, {
    duration: undefined,
    compiler: 'gcc (Debian 12.2.0-14) 12.2.0',
    config_name: 'base x86_64',
  });
});

test('the commit of a git base is submitted', (t) => {
  const commit = '12'.repeat(20);
  const base = { source: 'git:/src/linux#HEAD', version: null, sha256: null, commit };
  t.is(submitted(t, exampleCi({}, { jobs: [exampleJob({ base })] })).checkouts[0]!.git_commit_hash, commit);
});

test('each test and case has a path, a status, and what the run found', (t) => {
  const { tests } = submitted(t, exampleCi());
  const [races, twice] = tests.filter(
    ({ path, build_id }) => path!.startsWith('demo.races') && build_id.endsWith(':patch-3'),
  );
  t.like(races, { path: 'demo.races', status: 'FAIL', comment: '1 case failed, 1 splat' });
  t.regex(races!.log_excerpt!, /WARNING in demo_put/);
  t.like(races!.misc, { verdict: 'fail', changes: [{ kind: 'new-failure' }] });
  t.like(twice, { path: 'demo.races.global.close_twice', status: 'FAIL', log_excerpt: 'expected 0, got -9' });
  const ids = tests.map(({ id }) => id);
  t.deepEqual([...new Set(ids)], ids);
});

test('a series that does not apply is not valid and has no build; what else went wrong is no failure', (t) => {
  const keys = { tree: null, kernel: null, image: null };
  const jobWith = (code: string) =>
    exampleJob({ id: code, kernel: null, keys, error: { code, message: code } });
  const codes = ['does-not-apply', 'does-not-build', 'infrastructure'];
  const { checkouts, builds } = submitted(t, exampleCi({}, { jobs: codes.map(jobWith) }));
  t.deepEqual(
    checkouts.map(({ valid }) => valid),
    [false, undefined, undefined],
  );
  t.deepEqual(
    builds.map(({ status, log_excerpt }) => [status, log_excerpt]),
    [
      ['FAIL', 'does-not-build'],
      ['MISS', 'infrastructure'],
    ],
  );
});

test('whatever a guest printed, the submission is valid', (t) => {
  const evil = '\0\x1b[31m a/b..c.\n内 '.repeat(3000);
  const results = exampleCi();
  results.tests = results.tests.map((one) => ({
    ...one,
    ...{ suite: evil, test: '', detail: evil, verdict: 'error' },
    cases: [{ name: '', verdict: 'timeout', detail: evil }],
    splats: one.splats.map((splat) => ({ ...splat, lines: [evil], title: evil })),
  }));
  const { series } = results.ci!;
  results.ci!.series = { ...series, subject: evil, message_id: evil };
  results.jobs = results.jobs.map((job) => ({ ...job, compiler: evil, config: [evil] }));
  const { tests } = submitted(t, results);
  t.deepEqual([...new Set(tests.map(({ status }) => status))], ['MISS', 'FAIL']);
});
