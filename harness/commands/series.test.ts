// SPDX-License-Identifier: MIT
// Threads as lists deliver them, through what `kiln series --json` prints. The boxes are in fixtures/mail/.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';
import { exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import type { SeriesOptions } from './ask.ts';
import { describeAsJson, type SeriesJson } from './series.ts';

const never = new AbortController().signal;
const box = (name: string) => join(paths.fixtures, 'mail', `${name}.mbox`);
const read = (name: string, options: SeriesOptions = {}) => describeAsJson(box(name), options, never);

/** The patches, by Message-ID without its domain. */
function ids({ patches = [] }: SeriesJson): string {
  return patches.map(({ message_id }) => message_id?.replace(/@.*/, '') ?? '?').join(' ');
}

/** `ID: reason` of each mail that is left out. */
function left({ left_out = [] }: SeriesJson): string[] {
  return left_out.map(({ message_id, reason }) => `${message_id?.replace(/@.*/, '')}: ${reason}`);
}

/** Each box, its version, its patches in order, and what of it is left out. */
const taken: [name: string, revision: number, patches: string, left: string[]][] = [
  [
    'two-versions',
    2,
    'v2-1 v2-2',
    ['v1-0: of v1; v2 is newer', 'v1-1: of v1; v2 is newer', 'v1-2: of v1; v2 is newer'],
  ],
  ['one-patch-rerolled', 2, 'p1 q2 p3', ['p2: of v1; v2 is newer']],
  ['resend-same-number', 1, 's2', ['s1: of an earlier posting of v1; it was posted again']],
  ['retitled-repost', 2, 't2', ['t1: of v1; v2 is newer']],
  ['tip-bot', 1, 'u1', ['u2: no [PATCH] in its subject, beside mails that have it']],
  ['extra-breaks-order', 2, 'y1 y2', ['yr: no number in its subject, beside mails that have one']],
  ['log-with-dashes', 1, 'l1', ['l2: no diff in it']],
  ['charset-y', 1, 'h1 h2', []],
  ['base64-crlf', 1, 'k1', []],
  ['flowed-unstuffed', 1, 'n1', []],
  ['list-prefix', 1, 'o1 o2', []],
  ['cover-with-diff', 2, 'c1', []],
  ['wrapped-lines', 1, 'd1', []],
  ['truncated', 1, 'd3', []],
  ['already-applied', 1, 'g1', []],
  ['base-commit', 1, 'b1', []],
  ['external-reply', 1, 'ee1', ['ee2: a reply']],
  [
    'moved',
    2,
    'v2p1 v2p2',
    ['v1c: of v1; v2 is newer', 'v1p1: of v1; v2 is newer', 'v1p2: of v1; v2 is newer'],
  ],
  ['twice', 1, 'v1p1 v1p2', ['v1p1: a copy: another mail has the same Message-ID']],
  ...['glued', 'list-prefix', 'two-brackets', 'of', 'plain'].map(
    (name): [string, number, string, string[]] => [`order-${name}`, 1, 'q1 q2', []],
  ),
  ['order-comma', 6, 'q1 q2', []],
];

for (const [name, revision, patches, leftOut] of taken)
  test(`${name}: v${revision} is ${patches}`, async (t) => {
    const { json, exitCode } = await read(name);
    t.is(json.refusal, null);
    t.is(exitCode, 0);
    t.is(ids(json), patches);
    t.is(json.revision, revision);
    t.deepEqual(json.missing, []);
    t.deepEqual(left(json), leftOut);
  });

test('a warning names the parts of v2, and the version that has the others', async (t) => {
  const { json } = await read('one-patch-rerolled');
  t.deepEqual(json.warnings, ['v2 has only 2/3; the other parts are those of v1']);
});

for (const [name, patches, missing, said] of [
  ['part-missing', 'm1 m3', [2], '2/3 is missing of "lib: things"'],
  ['gap', 'p1 p3', [2], '2/3 is missing of "widgets: count them"'],
  ['tail', 'p1 p2', [3], '3/3 is missing of "widgets: add a counter"'],
] as const) {
  test(`${name}: a series without one of its parts is refused by name`, async (t) => {
    const { json, exitCode } = await read(name);
    t.is(exitCode, 2);
    t.is(json.refusal?.code, 'bad-input');
    t.true(json.refusal?.message.endsWith(`: ${said}`), json.refusal?.message);
    t.is(ids(json), patches);
    t.deepEqual(json.missing, missing as unknown as number[]);
  });

  test(`${name}: --allow-incomplete goes on, with a warning`, async (t) => {
    const { json, exitCode } = await read(name, { allowIncomplete: true });
    t.is(exitCode, 0);
    t.is(json.refusal, null);
    t.is(ids(json), patches);
    t.deepEqual(json.warnings, [`${missing[0]}/3 is missing; the rest is taken`]);
  });
}

test('the commit that a series was made on is that of its cover letter', async (t) => {
  t.is((await read('base-commit')).json.base_commit, '1'.repeat(40));
  t.is((await read('two-versions')).json.base_commit, null);
});

test('an older version is taken if it is asked for', async (t) => {
  const { json } = await read('two-versions', { revision: 1 });
  t.is(ids(json), 'v1-1 v1-2');
  t.deepEqual(left(json), ['v2-0: not of v1', 'v2-1: not of v1', 'v2-2: not of v1']);
  const none = await read('two-versions', { revision: 3 });
  t.is(none.exitCode, 2);
  t.regex(none.json.refusal!.message, /has no v3 of "lib: things"/);
  t.is(none.json.refusal!.hint, 'there is: v1, v2');
});

test('a part names its subject, its file and its number', async (t) => {
  const { json } = await read('order-comma');
  t.deepEqual(json.patches![1], {
    number: 2,
    subject: '[PATCH v6,2/2] s: two',
    message_id: 'q2@example.com',
    file: 'v6-0002-s-two.patch',
  });
});

test('what can not be read is a refusal, too', async (t) => {
  const { json, exitCode } = await describeAsJson('no-such-series', {}, never);
  t.is(exitCode, 2);
  t.regex(json.refusal!.message, /no series "no-such-series"/);
  const usage = await describeAsJson('srvfs', { revision: 2 }, never);
  t.is(usage.json.refusal!.code, 'usage');
  const idle = await describeAsJson('srvfs', { inbox: '/nowhere' }, never);
  t.is(idle.json.refusal!.message, '--inbox /nowhere: no series is looked up there');
});

/** A repository for the boxes: `main` has the files that they change, `changed` what charset-y makes of them. */
let dir: string;
let user: string;
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  user = join(dir, 'user');
  await mkdir(join(user, 'lib'), { recursive: true });
  await git(user, ['init', '--quiet', '--template=', '--initial-branch=main']);
  for (const second of ['void', 'int']) {
    for (const name of ['a', 'b', 'c']) {
      const lines = Array.from({ length: 12 }, (_, at) => `int ${name}${at + 1}(void);\n`).join('');
      const text = name === 'c' ? lines : lines.replace('2(void)', `2(${second})`);
      await writeFile(join(user, 'lib', `${name}.c`), text);
    }
    await git(user, ['add', '.']);
    await git(user, ['commit', '--quiet', '--message', second]);
  }
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

const apply = (source: string) =>
  describeAsJson(source, { on: `git:${user}#main~1` }, never, join(dir, 'cache'));
const treeOf = async (name: string) => (await git(user, ['rev-parse', `${name}^{tree}`])).stdout;

test('with --on, a series has the tree that it gives', async (t) => {
  const { json, exitCode } = await apply(box('charset-y'));
  t.is(json.refusal, null);
  t.is(exitCode, 0);
  t.is(json.tree, await treeOf('main'));
  const range = await apply(`git:${user}#main~1..main`);
  t.is(range.json.tree, json.tree);
  t.is(range.json.base_commit, (await git(user, ['rev-parse', 'main~1'])).stdout);
  t.false('tree' in (await read('charset-y')).json);
});

for (const [name, cause, message] of [
  ['wrapped-lines', 'damaged', /\(1\/1\) is damaged: line 16 is no line of a patch, .*: "};"$/],
  [
    'truncated',
    'damaged',
    /\(1\/1\) is damaged: the patch ends in the middle of a hunk, it was cut off after line 10/,
  ],
  ['already-applied', 'already-applied', /0001-lib-a\.patch \(1\/1\) is already in this base$/],
  [
    'base-commit',
    'another-base',
    /lib\/c\.c, hunk .*: the series was made on 1111111111 \(base-commit of 0\/1\); use --base git:DIR#1111111111$/,
  ],
] as const)
  test(`with --on, ${name} is refused as ${cause}`, async (t) => {
    const { json, exitCode } = await apply(box(name));
    t.is(exitCode, 3);
    t.is(json.tree, null);
    t.is(json.refusal?.code, 'does-not-apply');
    t.is(json.refusal?.cause, cause);
    t.regex(json.refusal!.message, message);
    t.is(json.patches?.length, 1);
  });

test('with --on, a part that is missing is the refusal', async (t) => {
  const { json, exitCode } = await apply(box('gap'));
  t.is(exitCode, 2);
  t.regex(json.refusal!.message, /2\/3 is missing/);
  t.is(json.tree, null);
});

test('the command prints the choice, and ends with the exit code of the refusal', async (t) => {
  const kiln = (...args: string[]) => exec(join(paths.root, 'bin', 'kiln'), args, { okCodes: [0, 2] });
  const whole = await kiln('series', box('tip-bot'));
  t.is(
    whole.stdout,
    [
      'tip-bot v1: 1 patch',
      '  [PATCH 1/1] lib: a',
      'left out:',
      '  [tip: lib/core] lib: a: no [PATCH] in its subject, beside mails that have it',
    ].join('\n'),
  );
  const gap = await kiln('series', box('gap'));
  t.is(gap.exitCode, 2);
  t.regex(gap.stdout, /^missing: 2$/m);
  t.regex(
    gap.stderr,
    /^kiln: .*2\/3 is missing of "widgets: count them"\n {2}get the whole thread, or add --allow-incomplete/,
  );
  const json = await kiln('series', box('gap'), '--json');
  t.is(json.exitCode, 2);
  t.deepEqual(JSON.parse(json.stdout).missing, [2]);
  t.is((await kiln('series', box('gap'), '--allow-incomplete', '--revision', 'v1')).exitCode, 0);
  t.is((await kiln('series', box('gap'), '--revision', 'two')).exitCode, 2);
});
