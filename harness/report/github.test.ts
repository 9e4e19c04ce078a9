// SPDX-License-Identifier: MIT
import test from 'ava';
import { exampleCi } from '../testing/exampleCi.ts';
import { placeIn, renderGithub } from './github.ts';

test('new failures and failed checks are errors; warnings of checks and flaky tests are warnings', (t) => {
  t.deepEqual(renderGithub(exampleCi()).split('\n'), [
    '::error file=drivers/demo/core.c,line=40,title=new failure%3A demo/races%3A WARNING in demo_put::new: 8 of 8 patched, 0 of 8 base, wrong with p < 0.1 %25%0Afirst with 3/3 "demo: count the users"',
    '::error title=new failure%3A demo/races%3A global.close_twice::new: 8 of 8 patched, 0 of 8 base, wrong with p < 0.1 %25%0Afirst with 3/3 "demo: count the users"%0Aexpected 0, got -9',
    '::error title=patch 3/3%3A tests::2 new failures%0Ademo: count the users',
    '::warning file=drivers/demo/core.c,line=61,title=patch 2/3%3A checkpatch::CHECK: Alignment should match open parenthesis%0A#21: FILE: drivers/demo/core.c:61:%0A+\t  int b)',
    "::warning file=drivers/demo/core.c,line=33,title=patch 2/3%3A warnings::drivers/demo/core.c:33:6: warning: unused variable 'n' [-Wunused-variable]",
    "::warning file=drivers/demo/file.c,line=7,title=patch 2/3%3A warnings::drivers/demo/file.c:7:5: warning: no previous prototype for 'demo_name' [-Wmissing-prototypes]",
    '::warning title=undecided%3A demo/rare::undecided after 60: 9 of 60 patched, 2 of 60 base%0Athe guest hung',
    '::warning title=flaky%3A demo/timer%3A global.sleeps::flaky: 3 of 20 patched, 4 of 20 base%0Aslept 9 ms too long',
    '',
  ]);
});

test('at most ten of each level; the last says how many more there are', (t) => {
  const { changes } = exampleCi().ci!;
  const many = exampleCi({ changes: Array.from({ length: 30 }, () => changes).flat() });
  const lines = renderGithub(many).split('\n').slice(0, -1);
  const errors = lines.filter((line) => line.startsWith('::error '));
  t.is(errors.length, 10);
  t.regex(errors[9]!, /^::error title=Kiln::52 more are in the summary/);
  t.is(lines.filter((line) => line.startsWith('::warning ')).length, 10);
});

test('no text of others is another command, or another property', (t) => {
  const { changes, patches } = exampleCi().ci!;
  const evil = 'x\r\n::stop-commands::y\n::set-env name=A::b,file=c,line=1:: %0A::error::z';
  const lines = renderGithub(
    exampleCi({
      changes: changes.map((one) => ({ ...one, test: evil, detail: evil, sentence: evil, splat: evil })),
      patches: patches.map((one) => ({
        ...one,
        checks: one.checks.map((check) => ({ ...check, summary: evil, findings: [`a/b.c:3: ${evil}`] })),
      })),
    }),
  ).split('\n');
  for (const line of lines.slice(0, -1))
    t.regex(line, /^::(error|warning) (file=a\/b\.c,line=3,)?title=[^:,]*::[^\r\n]*$/);
});

for (const [finding, place] of [
  ['fs/x.c:12:3: error: no', 'fs/x.c:12'],
  ['Warning: include/a-b.h:9 bad line', 'include/a-b.h:9'],
  ['ERROR: spaces\n#12: FILE: mm/y.c:7:\n+x', 'mm/y.c:7'],
  ['Makefile.lib:3: twice', 'Makefile.lib:3'],
  ['0001-x.patch:12: WARNING: none', null],
  ['../../etc/passwd:1: up', null],
  ['fs/../../passwd.h:1: up behind a folder', null],
  ['/etc/passwd:1: absolute', null],
  ['at 12:30:59', null],
  ['nothing', null],
] as const)
  test(`the place in "${finding.split('\n')[0]}"`, (t) => {
    const found = placeIn(finding);
    t.is(found && `${found.file}:${found.line}`, place);
  });

test('a patch that does not build is one error, although its job ended early', (t) => {
  const results = exampleCi({ changes: [] });
  const [patch] = results.ci!.patches;
  const message = 'fs/a.c:1: no';
  patch!.checks = [{ name: 'build', status: 'fail', summary: message, findings: [] }];
  const job = results.jobs.find(({ id }) => id === patch!.job)!;
  Object.assign(job, { error: { code: 'does-not-build', message } });
  const errors = renderGithub(results)
    .split('\n')
    .filter((line) => line.includes(message));
  t.is(errors.length, 1);
});

test('a job that ended early is an error', (t) => {
  const results = exampleCi({ patches: [], changes: [] });
  Object.assign(results.jobs[0]!, { error: { code: 'does-not-build', message: 'the base\ndoes not build' } });
  t.is(renderGithub(results), '::error title=Kiln%3A does-not-build::the base%0Adoes not build\n');
});
