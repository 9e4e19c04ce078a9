// SPDX-License-Identifier: MIT
// The table of docs/verdicts.md, row by row.
import test from 'ava';
import type { Loss, TestRun } from '../channel/session.ts';
import { KtapParser } from '../ktap/parser.ts';
import { type SplatResult, splatKindSchema } from '../schema.ts';
import { type Evidence, type Judgement, judge } from './judge.ts';

type How = NonNullable<TestRun['end']>['how'];

const pass = 'KTAP version 1\n1..1\nok 1 a\n';
const fail = 'KTAP version 1\n1..1\n# a.c:7: Expected 1\nnot ok 1 a\n';
const skip = 'KTAP version 1\n1..2\nok 1 a # SKIP no KVM\nok 2 b # SKIP no KVM\n';
const xfail = 'KTAP version 1\n1..1\nnot ok 1 a # XFAIL known\n';

/** The program came to its end by itself and the guest lives on. */
for (const [what, output, how, status, verdict, detail] of [
  ['all pass', pass, 'exit', 0, 'pass', ''],
  ['some skip', 'KTAP version 1\n1..2\nok 1 a\nok 2 b # SKIP x\n', 'exit', 0, 'pass', ''],
  ['some fail as expected', 'KTAP version 1\n1..2\nok 1 a\nnot ok 2 b # XFAIL x\n', 'exit', 0, 'pass', ''],
  ['a case fails', fail, 'exit', 1, 'fail', '1 of 1 case failed: a'],
  ['a case fails, exit code 0', fail, 'exit', 0, 'fail', '1 of 1 case failed: a'],
  ['a case fails, exit code 4', fail, 'exit', 4, 'fail', '1 of 1 case failed: a'],
  [
    'many cases fail',
    `1..5\n${[1, 2, 3, 4].map((n) => `not ok ${n} c${n}\n`).join('')}ok 5 c5\n`,
    'exit',
    1,
    'fail',
    '4 of 5 cases failed: c1, c2, c3, …',
  ],
  ['a case times out', '1..1\nnot ok 1 a # TIMEOUT 5 seconds\n', 'exit', 1, 'fail', '1 of 1 case failed: a'],
  ['results are missing', 'KTAP version 1\n1..2\nok 1 a\n', 'exit', 0, 'fail', /2/],
  ['two plans', '1..1\nok 1 a\n1..1\n', 'exit', 0, 'fail', /second plan/],
  ['a number twice', '1..2\nok 1 a\nok 1 a\n', 'exit', 0, 'fail', /./],
  ['no case failed, exit code 1', pass, 'exit', 1, 'fail', 'exit code 1 though no case failed'],
  ['killed by a signal', pass, 'signal', 11, 'fail', 'the test was killed by signal 11'],
  ['last words', `${pass}# so\n# long\n`, 'signal', 6, 'fail', 'the test was killed by signal 6: long'],
  ['a case failed, then a signal', fail, 'signal', 11, 'fail', 'the test was killed by signal 11'],
  ['bail out', `${pass}Bail out! no disk\n`, 'exit', 0, 'fail', 'the test bailed out: no disk'],
  ['not started', '', 'exec', 8, 'fail', 'the test could not be started (errno 8)'],
  ['1..0 # SKIP', '1..0 # SKIP no KVM\n', 'exit', 4, 'skip', 'no KVM'],
  ['1..0 # SKIP, exit code 0', '1..0 # SKIP no KVM\n', 'exit', 0, 'skip', 'no KVM'],
  [
    '1..0 # SKIP, exit code 1',
    '1..0 # SKIP no KVM\n',
    'exit',
    1,
    'fail',
    'exit code 1 though the test was skipped',
  ],
  ['all skip, exit code 1', skip, 'exit', 1, 'fail', 'exit code 1 though no case failed'],
  [
    'the totals have a failure',
    `${pass}# Totals: pass:1 fail:1 skip:0 total:2\n`,
    'exit',
    0,
    'fail',
    /^the totals have 1 failed result, 0 seen$/,
  ],
  ['only totals', '# Totals: pass:0 fail:1 skip:0 total:1\n', 'exit', 0, 'fail', /^the totals have 1 failed/],
  ['all skip', skip, 'exit', 0, 'skip', 'no KVM'],
  ['exit code 4', pass, 'exit', 4, 'skip', ''],
  ['all fail as expected', xfail, 'exit', 0, 'xfail', ''],
  ['exit code 2', xfail, 'exit', 2, 'xfail', ''],
  ['at its limit', pass, 'timeout', 0, 'timeout', 'not done within 60 s'],
  ['a case failed, then the limit', fail, 'timeout', 0, 'timeout', 'not done within 60 s'],
  ['told to stop', pass, 'killed', 0, 'error', 'the test was told to stop'],
] as const) {
  test(`${verdict}: ${what}`, (t) => {
    const judgement = judge(evidence({ output, run: ended(how, status) }));
    t.is(judgement.verdict, verdict);
    if (typeof detail === 'string') t.is(judgement.detail, detail);
    else t.regex(judgement.detail, detail);
  });
}

test('pass: no results and exit code 0, as old selftests do', (t) => {
  t.is(judge(evidence({ output: 'all fine\n' })).verdict, 'pass');
});

test('skip: no results and exit code 4, as old selftests do', (t) => {
  t.is(judge(evidence({ output: 'need root\n', run: ended('exit', 4) })).verdict, 'skip');
});

test('fail: no results and exit code 1', (t) => {
  t.is(judge(evidence({ output: 'oh no\n', run: ended('exit', 1) })).verdict, 'fail');
});

test('error: the output did not come through whole, unless the limit or the start says more', (t) => {
  const verdict = (how: How) => judge(evidence({ run: { ...ended(how, 0), incomplete: true } })).verdict;
  t.deepEqual((['exit', 'signal', 'timeout', 'exec'] as const).map(verdict), [
    'error',
    'error',
    'timeout',
    'fail',
  ]);
});

test('error: the test has no end', (t) => {
  t.is(
    judge(evidence({ run: { begin: null, end: null, loss: null, incomplete: true, next: null } })).verdict,
    'error',
  );
});

/** A kernel's complaint beside what the program says of itself. */
for (const [what, output, how, verdict, detail] of [
  ['a test that passes', pass, 'exit', 'fail', 'WARNING in f; BUG in g'],
  ['a test that fails', fail, 'exit', 'fail', 'WARNING in f; BUG in g; 1 of 1 case failed: a'],
  ['a test that is skipped', skip, 'exit', 'fail', 'WARNING in f; BUG in g; no KVM'],
  ['a test that fails as expected', xfail, 'exit', 'fail', 'WARNING in f; BUG in g'],
  ['a test at its limit', pass, 'timeout', 'timeout', 'not done within 60 s'],
  ['trouble of ours', pass, 'killed', 'error', 'the test was told to stop'],
] as const) {
  test(`splats: ${what} is ${verdict}`, (t) => {
    const splats = [splat('WARNING in f', 'warning'), splat('BUG in g', 'bug')];
    const judgement = judge(evidence({ output, run: ended(how, 0), splats }));
    t.deepEqual([judgement.verdict, judgement.detail], [verdict, detail]);
  });
}

test('a splat fails a test in whatever phase it came', (t) => {
  for (const phase of ['boot', 'test', 'shutdown'] as const)
    t.is(judge(evidence({ splats: [{ ...splat('WARNING in f', 'warning'), phase }] })).verdict, 'fail');
});

test('a guest that does not power off fails a test that reports success, and says nothing of others', (t) => {
  const staysOn = (output: string, how: How = 'exit') =>
    judge(evidence({ output, run: ended(how, 0), staysOn: true }));
  t.deepEqual(summary(staysOn(pass)), ['fail', 'the guest did not power off after the test']);
  t.is(staysOn(skip).verdict, 'fail');
  t.deepEqual(summary(staysOn(fail)), ['fail', '1 of 1 case failed: a']);
  t.is(staysOn(pass, 'timeout').verdict, 'timeout');
});

const silent: Loss = { why: 'silent', detail: 'no answer within 90 s' };
const broken: Loss = { why: 'broken', detail: 'it sent a line that is no JSON' };
const stuck: Loss = { why: 'stuck', detail: 'QEMU was stopped by a signal or a debugger' };
const exited = (exit: object = {}): Loss => ({
  why: 'exited',
  exit: { code: 0, signal: null, stderr: '', events: [], ...exit },
});
const shutdown = (reason: string) => ({ event: 'SHUTDOWN', data: { reason } });

/** The guest was lost. */
for (const [what, loss, splats, verdict, detail] of [
  [
    'the channel broke',
    broken,
    [],
    'error',
    'the channel to the guest broke WHEN: it sent a line that is no JSON',
  ],
  ['the channel broke after a panic', broken, ['panic'], 'error', /channel/],
  ['silence of QEMU itself', stuck, [], 'error', /^the guest was silent WHEN: QEMU was stopped/],
  ['silence of QEMU itself after a panic', stuck, ['panic'], 'crash', /died/],
  ['silence', silent, [], 'timeout', 'the guest hung WHEN: no answer within 90 s'],
  ['silence after a warning', silent, ['warning'], 'timeout', /^the guest hung WHEN after title: no answer/],
  ['silence after an rcu stall', silent, ['rcu-stall'], 'timeout', /^the guest hung WHEN after title/],
  ['silence after an oops', silent, ['oops'], 'crash', 'the kernel died WHEN: title'],
  ['silence after a hard lockup', silent, ['hard-lockup'], 'crash', /died/],
  ['an end after a panic', exited(), ['panic'], 'crash', 'the kernel died WHEN: title'],
  ['an end after KASAN', exited(), ['warning', 'kasan'], 'crash', /died/],
  ['pvpanic', exited({ events: [{ event: 'GUEST_PANICKED' }] }), [], 'crash', 'the kernel panicked WHEN'],
  ['power off', exited({ events: [shutdown('guest-shutdown')] }), [], 'crash', 'the guest powered off WHEN'],
  ['a reboot', exited({ events: [shutdown('guest-reset')] }), [], 'crash', /^the guest rebooted WHEN/],
  [
    'the last shutdown counts',
    exited({ events: [shutdown('guest-reset'), shutdown('guest-shutdown')] }),
    [],
    'crash',
    /powered off/,
  ],
  [
    'a reboot after a warning',
    exited({ events: [shutdown('guest-reset')] }),
    ['warning'],
    'crash',
    /rebooted/,
  ],
  [
    'kill -9 of QEMU',
    exited({ code: null, signal: 'SIGKILL' }),
    [],
    'error',
    'QEMU was killed by SIGKILL WHEN',
  ],
  [
    'QEMU aborts',
    exited({ code: 1, stderr: 'a\nb\nc\n' }),
    [],
    'error',
    'QEMU ended by itself WHEN with exit code 1: b; c',
  ],
  [
    'QEMU ends',
    exited({ code: 3 }),
    [],
    'error',
    'QEMU ended by itself WHEN with exit code 3: it printed nothing',
  ],
] as const) {
  for (const when of ['during boot', 'during the test'])
    test(`lost ${when}: ${what} is ${verdict}`, (t) => {
      const judgement = judge(
        evidence({
          ...(when === 'during boot'
            ? { bootLoss: loss, run: null }
            : { run: { begin: null, end: null, loss, incomplete: true, next: null } }),
          splats: splats.map((kind) => splat('title', kind)),
        }),
      );
      t.is(judgement.verdict, verdict);
      if (typeof detail === 'string') t.is(judgement.detail, detail.replace('WHEN', when));
      else t.regex(judgement.detail, new RegExp(detail.source.replace('WHEN', when)));
    });
}

test('an expected splat does not fail a test, another beside it does', (t) => {
  const expected = { ...splat('WARNING in f', 'warning'), expected: true };
  t.is(judge(evidence({ splats: [expected] })).verdict, 'pass');
  const both = judge(evidence({ splats: [expected, { ...splat('BUG in g', 'bug'), expected: false }] }));
  t.deepEqual([both.verdict, both.detail], ['fail', 'BUG in g']);
});

test('a notice fails no test, and is told', (t) => {
  const notice = { ...splat('srvfs: the index is damaged', 'other'), notice: true };
  const judgement = judge(evidence({ splats: [notice] }));
  t.is(judgement.verdict, 'pass');
  t.is(judgement.detail, 'the kernel logged: srvfs: the index is damaged');
  t.is(judge(evidence({ splats: [{ ...notice, expected: true }] })).detail, '');
  const both = judge(evidence({ splats: [notice, splat('WARNING in f', 'warning')] }));
  t.deepEqual([both.verdict, both.detail], ['fail', 'WARNING in f']);
});

test('a line that may hold a failed result is told of a test that passes', (t) => {
  const output = 'KTAP version 1\n1..2\nok 1 a\nit is not ok 2 days in a row\nok 2 b\n';
  const { verdict, detail } = judge(evidence({ output }));
  t.is(verdict, 'pass');
  t.regex(detail, /^line 4 looks like another result of number 2: "it is not ok 2 days in a row"$/);
});

test('a result behind other text fails a test that exits with 0 and has no plan', (t) => {
  const output = 'ok 1 opens\nchecking the size ... not ok 2 size is right\n';
  const { verdict, detail } = judge(evidence({ output }));
  t.deepEqual([verdict, detail], ['fail', '1 of 2 cases failed: size is right']);
});

test('a parametrised kunit case without parameters is skipped', (t) => {
  const header = 'KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..1\n';
  const output = `${header}        KTAP version 1\n        # Subtest: c\n    ok 1 c # SKIP none\nok 1 s\n`;
  const { verdict, detail } = judge(evidence({ output }));
  t.deepEqual([verdict, detail], ['skip', 'none']);
});

test('a splat that was expected does not excuse the death of the kernel', (t) => {
  const oops = { ...splat('BUG: x in f', 'oops'), expected: true };
  const run = { begin: null, end: null, loss: exited(), incomplete: true, next: null };
  t.is(judge(evidence({ run, splats: [oops] })).verdict, 'crash');
});

test('the kinds of splats after which a lost guest is the death of the kernel', (t) => {
  const run = { begin: null, end: null, loss: silent, incomplete: true, next: null };
  const fatal = splatKindSchema.options.filter(
    (kind) => judge(evidence({ run, splats: [splat('title', kind)] })).verdict === 'crash',
  );
  t.deepEqual(fatal, ['bug', 'oops', 'gpf', 'kasan', 'hard-lockup', 'panic']);
});

test('a warning that became a panic is the death of the kernel', (t) => {
  const splats = [{ ...splat('WARNING in f', 'warning'), panic: 'panic_on_warn set' }];
  const judgement = judge(
    evidence({ run: { begin: null, end: null, loss: exited(), incomplete: true, next: null }, splats }),
  );
  t.deepEqual(summary(judgement), ['crash', 'the kernel died during the test: WARNING in f']);
});

test('cases seen before a crash are kept', (t) => {
  const run = { begin: null, end: null, loss: silent, incomplete: true, next: null };
  t.deepEqual(
    judge(evidence({ output: 'KTAP version 1\n1..2\nok 1 a\n', run })).cases.map(({ name }) => name),
    ['a'],
  );
});

test('problems of the output and of the run are both told, without escapes', (t) => {
  const { problems, detail } = judge(
    evidence({ output: `${pass}Bail out! \x1b[31mred\n1..1\n`, problems: ['a file was \x1b]0;refused\x07'] }),
  );
  t.is(detail, 'the test bailed out: red');
  t.is(problems.length, 2);
  t.is(problems[1], 'a file was ');
});

/** A test that goes from kernel to kernel: where it is, what it does, what becomes of it. */
for (const [what, place, how, status, output, verdict, detail] of [
  ['goes on', [0, 3], 'kexec', 1, pass, 'pass', ''],
  ['goes on by a reset', [1, 3], 'reboot', 2, pass, 'pass', ''],
  ['ends on the last kernel', [2, 3], 'exit', 0, pass, 'pass', ''],
  ['goes on with a failure', [0, 3], 'kexec', 1, fail, 'fail', '1 of 1 case failed: a'],
  [
    'goes on before its plan is done',
    [0, 3],
    'kexec',
    1,
    'KTAP version 1\n1..2\nok 1 a\n',
    'fail',
    /plan|1 of 2/,
  ],
  ['ends too early', [1, 3], 'exit', 0, pass, 'fail', 'it ended before the last of 3 generations'],
  ['skips at once', [0, 3], 'exit', 4, skip, 'skip', 'no KVM'],
  [
    'leaves one out',
    [0, 3],
    'kexec',
    2,
    pass,
    'fail',
    'it asked for generation 2 next, of 3 (settings: generations=)',
  ],
  [
    'goes too far',
    [2, 3],
    'kexec',
    3,
    pass,
    'fail',
    'it asked for generation 3 next, of 3 (settings: generations=)',
  ],
  [
    'was to go nowhere',
    [0, 1],
    'kexec',
    1,
    pass,
    'fail',
    'it asked for generation 1 next, of 1 (settings: generations=)',
  ],
] as const)
  test(`${verdict}: a test that ${what}`, (t) => {
    const [generation, generations] = place;
    const judgement = judge(evidence({ run: ended(how, status), output, generation, generations }));
    t.is(judgement.verdict, verdict);
    if (typeof detail === 'string') t.is(judgement.detail, detail);
    else t.regex(judgement.detail, detail);
  });

test('a panic that leads to the next kernel is the way there; what the log had before it counts', (t) => {
  const next = {
    type: 'hello',
    seq: 1,
    protocol: 1,
    generation: 1,
    release: '6.12',
    machine: 'x86_64',
  } as const;
  const hello = { ...next, cmdline: '', boot_ms: 1, cpus: 1, memory_kb: 1 };
  const run = { ...ended('exit', 0), end: null, incomplete: true, next: hello };
  const judged = (more: Partial<Evidence> & { output?: string }) =>
    summary(judge(evidence({ run, generation: 0, generations: 2, ...more })));
  t.deepEqual(judged({}), ['pass', '']);
  t.deepEqual(judged({ output: fail }), ['fail', '1 of 1 case failed: a']);
  t.deepEqual(judged({ splats: [splat('WARNING in f', 'warning')] }), ['fail', 'WARNING in f']);
});

function evidence(given: Partial<Evidence> & { output?: string } = {}): Evidence {
  const { output = pass, ...rest } = given;
  const parser = new KtapParser();
  parser.write(output);
  return {
    bootLoss: null,
    run: ended('exit', 0),
    ktap: parser.end(),
    splats: [],
    limit: '60 s',
    generation: 0,
    generations: 1,
    staysOn: false,
    problems: [],
    ...rest,
  };
}

function ended(how: How, status: number): TestRun {
  const end = { type: 'end', seq: 3, id: 2, how, status, ktap: 0, kmsg: 0, taint: 0 } as const;
  return {
    begin: { type: 'begin', seq: 2, id: 2, ktap: 0, kmsg: 0, taint: 0 },
    end: { ...end, duration_ms: 5, leftovers: 0, settled: true, ready: false, artifacts: 0 },
    loss: null,
    incomplete: false,
    next: null,
  };
}

function splat(title: string, kind: SplatResult['kind']): SplatResult {
  return { title, kind, phase: 'test', task: null, torn: false, lines: [title] };
}

function summary({ verdict, detail }: Judgement): string[] {
  return [verdict, detail];
}
