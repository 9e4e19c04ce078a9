// SPDX-License-Identifier: MIT
import test from 'ava';
import type { Ci } from '../schema.ts';
import { checkNames } from '../schema.ts';
import { exampleResults } from '../testing/example.ts';
import { exampleCi, exampleSplat } from '../testing/exampleCi.ts';
import { renderMail } from './mail.ts';

function lines(more: Partial<Ci> = {}): string[] {
  return renderMail(exampleCi(more)).split('\n').slice(0, -1);
}

/** The lines from this one to the next empty line behind its text. */
function section(title: string, all = lines()): string[] {
  const start = all.indexOf(title);
  return all.slice(start, all.indexOf('', start + 2));
}

test('the mail answers the cover letter', (t) => {
  t.deepEqual(lines().slice(0, 5), [
    'Subject: Re: [PATCH v2 0/3] demo: count the users',
    'To: a.uthor@example.org',
    'In-Reply-To: <20260102-demo-v2-0-0a1b2c@example.org>',
    'References: <20260102-demo-v2-0-0a1b2c@example.org>',
    '',
  ]);
});

test('without a cover letter it answers the first patch, and without mails nobody', (t) => {
  const { series, patches } = exampleCi().ci!;
  const first = { ...series, message_id: patches[0]!.message_id, revision: 1 };
  t.is(lines({ series: first })[0], 'Subject: Re: [PATCH 1/3] demo: count the users');
  t.is(
    lines({ series: first, patches: patches.slice(0, 1) })[0],
    'Subject: Re: [PATCH] demo: count the users',
  );
  t.deepEqual(lines({ series: { ...series, message_id: null, from: null } }).slice(0, 2), [
    'Subject: Test results: demo: count the users',
    '',
  ]);
});

test('a sender or an id cannot add header lines', (t) => {
  const { series } = exampleCi().ci!;
  for (const evil of ['a@b.c\r\nBcc: all@example.org', 'A <a@b.c>, x@example.org', 'nobody', '"a b"@c.d x'])
    t.deepEqual(
      lines({ series: { ...series, from: evil, subject: evil, message_id: evil } }).filter((line) =>
        /^(Bcc|References|In-Reply-To):|^To:.*[,@].*@/.test(line),
      ),
      [],
      evil,
    );
});

test('what was tested, on what, and how the base was found', (t) => {
  t.deepEqual(section('series    demo, "demo: count the users", demo.mbox'), [
    'series    demo, "demo: count the users", demo.mbox',
    'base      git:/src/linux#0123456789ab, version 6.12.117',
    '          the series names it: the cover letter names it as its',
    '          base-commit',
    'kernel    6.12.117',
    'config    base, x86_64',
    'compiler  gcc (Debian 12.2.0-14) 12.2.0',
    'QEMU      qemu-system-x86_64, machine q35, 2 CPUs, 512 MiB',
    'runs on   TCG (/dev/kvm is missing)',
  ]);
});

test('the mail says what the processor lacks', (t) => {
  const results = exampleCi();
  for (const job of results.jobs)
    job.accelerator = { name: 'kvm', cpu: 'host', reason: 'KVM ran a guest here', lacks: ['la57'] };
  t.true(renderMail(results).includes('runs on   KVM, CPU host without la57 (KVM ran a guest here)\n'));
});

test('a row for each patch', (t) => {
  t.deepEqual(section('patch apply checkpatch tags build warnings size boot tests'), [
    'patch apply checkpatch tags build warnings size boot tests',
    '  1/3 ok    ok         ok   ok    ok       ok   ok   ok',
    '  2/3 ok    warn       -    ok    warn     ok   ok   ok',
    '  3/3 ok    ok         ok   ok    ok       ok   ok   FAIL',
  ]);
});

test('new failures come first, with the splat and the command lines', (t) => {
  const all = lines();
  t.deepEqual(section('New failures (2)', all), [
    'New failures (2)',
    '',
    '1) demo/races: WARNING in demo_put',
    '   - new: 8 of 8 patched, 0 of 8 base, wrong with p < 0.1 %',
    '   - first with 3/3 "demo: count the users"',
    '| ------------[ cut here ]------------',
    '| demo: count below 0',
    '| WARNING: CPU: 1 PID: 71 at drivers/demo/core.c:40 demo_put+0x1f/0x30',
    '| RIP: 0010:demo_put+0x1f/0x30 drivers/demo/core.c:40 (0003-demo-count.patch)',
    '| Call Trace:',
    '|  <TASK>',
    '|  ? __warn+0x85/0x140',
    '|  count_down drivers/demo/core.c:40 (0003-demo-count.patch) [inlined]',
    '|  demo_put+0x1f/0x30 drivers/demo/core.c:52',
    '|  demo_release+0x11/0x20 drivers/demo/file.c:9',
    '|  __fput+0xe3/0x2a0',
    '|  </TASK>',
    '| ---[ end trace 0000000000000000 ]---',
    '   To reproduce it, with the series and without it',
    '     kiln repeat demo/races --series demo.mbox --base git:/src/linux#0123456789ab --times 8',
    '     kiln repeat demo/races --no-series --base git:/src/linux#0123456789ab --times 8',
  ]);
  const titles = all.filter((line) => /^[A-Z][a-z ]+( \(\d\))$/.test(line));
  t.deepEqual(titles, [
    'New failures (2)',
    'Undecided (1)',
    'Fixed (1)',
    'Flaky (1)',
    'Failing before (1)',
    'New tests (1)',
  ]);
  t.deepEqual(section('Flaky (1)', all).slice(2), [
    '* demo/timer: global.sleeps (flaky: 3 of 20 patched, 4 of 20 base, slept',
    '  9 ms too long)',
  ]);
});

test('what the checks found, and what was not tested', (t) => {
  t.deepEqual(section('What the checks found').slice(2), [
    '2/3 checkpatch warns: 1 check',
    '| CHECK: Alignment should match open parenthesis',
    '| #21: FILE: drivers/demo/core.c:61:',
    '| +          int b)',
    '2/3 warnings warns: 2 new warnings',
    "| drivers/demo/core.c:33:6: warning: unused variable 'n' [-Wunused-variable]",
    "| drivers/demo/file.c:7:5: warning: no previous prototype for 'demo_name' [-Wmissing-prototypes]",
    '3/3 tests fails: 2 new failures',
  ]);
  t.deepEqual(section('Not tested').slice(2), [
    '* drivers/demo/arm.c is not compiled: it needs CONFIG_ARM64',
    '* 3/3 drivers/demo/core.c is compiled without demo_dump()',
    '* 2/3 tags (Fixes: is not checked without --repo)',
  ]);
});

test('a good run says so, and one with open questions says no more than it knows', (t) => {
  const good = lines({ changes: [], failures: [] }).join(' ');
  t.true(good.includes('Kiln tested this series of 3 patches and found no change. No failure is new.'));
  const undecided = exampleCi().ci!.changes.filter(({ kind }) => kind === 'undecided');
  const open = lines({ changes: undecided, failures: [] }).join(' ');
  t.true(open.includes('No failure is known to be new.'), open);
});

test('a run that ended early says why, and has no sections without content', (t) => {
  const results = exampleCi({ patches: [], changes: [], failures: [], not_tested: [], new_log_lines: [] });
  Object.assign(results.jobs[0]!, { error: { code: 'does-not-build', message: 'the base does not build' } });
  const mail = renderMail({ ...results, tests: [] });
  t.true(mail.includes('* job base ended early (does-not-build): the base does not build\n'));
  t.notRegex(mail, /New|Undecided|Not tested|QEMU|\n\n\n/);
});

test('the names of all checks fit into a line of 72 columns', (t) => {
  const checks = checkNames.map((name) => ({ name, status: 'pass' as const, summary: '', findings: [] }));
  const { patches } = exampleCi().ci!;
  const mail = renderMail(exampleCi({ patches: patches.map((one) => ({ ...one, checks })) }));
  const [names] = /^patch apply .*$/m.exec(mail)!;
  t.true(names.length <= 72, names);
});

test('prose has 72 columns, rows and logs have 100; only command lines are longer', (t) => {
  const long = 'long words and more of them '.repeat(9);
  const { changes, patches } = exampleCi().ci!;
  const results = exampleCi({
    changes: changes.map((one) => ({ ...one, detail: long, sentence: long })),
    patches: patches.map((one) => ({ ...one, subject: long })),
    ...{ failures: [long], not_tested: [long], new_log_lines: [long] },
  });
  results.tests = results.tests.map((one) => ({ ...one, splats: [{ ...exampleSplat, lines: [long] }] }));
  for (const line of renderMail(results).split('\n').slice(5))
    t.true(
      line.length <= (/^(\||\d+\)| +\d+\/\d)/.test(line) ? 100 : /^ {5}kiln/.test(line) ? 998 : 72),
      line,
    );
});

test('however much a run found, lists accept the mail', (t) => {
  const { changes, patches } = exampleCi().ci!;
  const splat = { ...exampleSplat, lines: Array.from({ length: 1000 }, () => 'x'.repeat(5000)) };
  const many = <T>(items: T[]) => Array.from({ length: 400 }, () => items).flat();
  const results = exampleCi({
    changes: many(changes),
    patches: many(patches).slice(0, 100),
    new_log_lines: splat.lines,
    ...{ failures: splat.lines, not_tested: splat.lines },
  });
  results.tests = results.tests.map((one) => ({ ...one, splats: [splat] }));
  const mail = renderMail(results);
  t.true(mail.length < 100_000, String(mail.length));
  t.true(mail.split('\n').every((line) => line.length <= 998));
  t.regex(mail, /^\| \(960 more lines\)$/m);
  t.regex(mail, /^\(770 more in results\.json\)$/m);
});

test('whatever a mail or a guest says, the mail is ASCII', (t) => {
  const { series, changes } = exampleCi().ci!;
  const other = 'Zähler × 内 …';
  const mail = renderMail(
    exampleCi({
      series: { ...series, subject: other, name: other },
      changes: changes.map((one) => ({ ...one, detail: other, case: other })),
      not_tested: [other],
    }),
  );
  t.notRegex(mail, /[^\n\x20-\x7e]/);
  t.is(mail.split('\n')[0], 'Subject: Re: [PATCH v2 0/3] Zahler x ? ...');
});

test('a run that is not of kiln ci has no such mail', (t) => {
  t.throws(() => renderMail(exampleResults()), { message: /not one of "kiln ci"/ });
});
