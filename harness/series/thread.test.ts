// SPDX-License-Identifier: MIT
// Which mails of a thread are the series. Threads that were handed to us are in commands/series.test.ts.
import test from 'ava';
import { addsFile, clearsigned, type MadeMail, madeBox } from '../testing/mails.ts';
import { processorTime } from '../testing/processorTime.ts';
import { splitMbox } from './mailbox.ts';
import { fromMails } from './series.ts';
import type { ThreadOptions } from './thread.ts';

/** What is taken, by Message-ID; why the others are not; what is said. */
function choose(mails: MadeMail[], options: ThreadOptions = {}) {
  const { series, refusal } = fromMails('box', 'box', splitMbox(madeBox(mails)), options);
  const id = (messageId: string | null) => messageId?.replace('@example.org', '') ?? '';
  return {
    ids: series.patches.map(({ messageId }) => id(messageId)).join(' '),
    left: Object.fromEntries(series.leftOut.map(({ messageId, reason }) => [id(messageId), reason])),
    warnings: series.warnings.join('\n'),
    refused: refusal?.message ?? null,
    hint: refusal?.hint ?? null,
    revision: series.revision,
    missing: series.missing,
  };
}

/** A version of a series: its cover letter a0 and its parts, in answer to it. `without`: numbers that are lost. */
function posting(
  id: string,
  { v = 1, m = 2, to = undefined as string | undefined, without = [] as number[], ...more } = {},
  extra: Partial<MadeMail> = {},
): MadeMail[] {
  const tag = v === 1 ? 'PATCH' : `PATCH v${v}`;
  const numbers = Array.from({ length: m + 1 }, (_, n) => n).filter((n) => !without.includes(n));
  return numbers.map((n) => ({
    subject: `[${tag} ${n}/${m}] ${'topic' in more ? more.topic : 'lib'}: part ${n}`,
    id: `${id}${n}`,
    ...(n > 0 && !without.includes(0) ? { to: `${id}0` } : to === undefined ? {} : { to }),
    file: n === 0 ? null : `lib/${n}.c`,
    ...extra,
  }));
}

test('the newest complete version is taken, and a newer one with a part missing is named', (t) => {
  const mails = [
    ...posting('a'),
    ...posting('b', { v: 2, to: 'a0' }),
    ...posting('c', { v: 3, without: [2] }),
  ];
  const found = choose(mails);
  t.is(found.ids, 'b1 b2');
  t.is(found.warnings, 'v3 is newer, but not complete (v3 2/2 is missing): v2 is taken');
  t.is(found.left.c1, 'of v3, which is not complete: v3 2/2 is missing');
  t.is(found.left.a1, 'of v1; v2 is newer');
  t.deepEqual([found.refused, found.missing, found.revision], [null, [], 2]);
});

test('a version that is asked for is refused if a part is missing, or taken without it', (t) => {
  const mails = [...posting('a'), ...posting('b', { v: 2, m: 3, without: [2] })];
  const refused = choose(mails, { revision: 2 });
  t.is(refused.refused, 'box: v2 2/3 is missing of "lib: part 0"');
  const found = choose(mails, { revision: 2, allowIncomplete: true });
  t.deepEqual([found.ids, found.refused, found.missing], ['b1 b3', null, [2]]);
});

test('a part that can not be read is missing, and it is said why', (t) => {
  const body = clearsigned(`Why.\n---\n${addsFile('a')}`).replace('- ---', '---');
  const [cover, one, two] = posting('a');
  const found = choose([cover!, one!, { ...two!, body }]);
  t.regex(
    found.refused!,
    /2\/2 is missing of "lib: part 0" \("\[PATCH 2\/2\] lib: part 2" <a2@example.org> is signed by PGP, and changed/,
  );
});

test('many missing parts are named as ranges', (t) => {
  const found = choose(posting('a', { m: 12, without: [2, 4, 5, 6, 12] }));
  t.is(found.refused, 'box: 2/12, 4/12 to 6/12, 12/12 are missing of "lib: part 0"');
});

test('a part that is there without a diff is missing, and named', (t) => {
  const [cover, one, two] = posting('a');
  const found = choose([cover!, one!, { ...two!, file: null }]);
  t.is(
    found.refused,
    'box: 2/2 is missing of "lib: part 0" ("[PATCH 2/2] lib: part 2" <a2@example.org> has no diff in it)',
  );
});

test('parts that answer those with their number replace them, version after version', (t) => {
  const reroll = (v: number, n: number, to: string): MadeMail => ({
    subject: `[PATCH v${v} ${n}/3] lib: part ${n}`,
    id: `r${v}${n}`,
    to,
  });
  const mails = [...posting('a', { m: 3 }), reroll(2, 2, 'a2'), reroll(2, 3, 'a3'), reroll(3, 2, 'r22')];
  const found = choose(mails);
  t.deepEqual([found.ids, found.revision], ['a1 r32 r23', 3]);
  t.regex(found.warnings, /v2 has only 2\/3, 3\/3; the other parts are those of v1/);
  t.regex(found.warnings, /v3 has only 2\/3; the other parts are those of v2/);
  t.is(choose(mails, { revision: 2 }).ids, 'a1 r22 r23');
});

test('a part of a new version that answers another part is no reroll', (t) => {
  const mails = [...posting('a'), { subject: '[PATCH v2 2/2] lib: part 2', id: 'r', to: 'a1' }];
  const found = choose(mails);
  t.is(found.ids, 'a1 a2');
  t.regex(found.warnings, /v2 is newer, but not complete \(v2 1\/2 is missing\)/);
});

test('v6.1 rerolls parts of v6; without a v6 it is the version of a kernel', (t) => {
  const mails = [...posting('a', { v: 6 }), { subject: '[PATCH v6.1 2/2] lib: part 2', id: 'r', to: 'a2' }];
  t.deepEqual([choose(mails).ids, choose(mails).revision], ['a1 r', 6.1]);
  const stable = posting('a').map((mail) => ({
    ...mail,
    subject: mail.subject.replace('PATCH', 'PATCH v5.10'),
  }));
  t.deepEqual([choose(stable).ids, choose(stable).revision], ['a1 a2', 1]);
  const first = [...posting('a'), { subject: '[PATCH V1.1 2/2] lib: part 2', id: 'r', to: 'a2' }];
  t.deepEqual([choose(first).ids, choose(first).revision], ['a1 r', 1.1]);
});

test('a series that is posted again without a version is taken as it was posted last', (t) => {
  const again = posting('b', { to: 'a0' }).map((mail) => ({
    ...mail,
    subject: mail.subject.replace('PATCH', 'PATCH RESEND'),
  }));
  const found = choose([...posting('a'), ...again]);
  t.is(found.ids, 'b1 b2');
  t.is(found.left.a1, 'of an earlier posting of v1; it was posted again');
  const lost = choose([...posting('a'), ...again.slice(0, 2)]);
  t.is(lost.ids, 'a1 a2');
});

test('of a whole series that is posted twice below one cover letter, parts are not mixed', (t) => {
  const [cover, one, two] = posting('a');
  const again = [one!, two!].map((mail, index) => ({ ...mail, id: `b${index + 1}`, at: 100 - index }));
  t.is(choose([cover!, one!, ...again, two!]).ids, 'b1 b2');
});

test('of one number twice one is taken and both are named', (t) => {
  const [cover, one, two] = posting('a');
  const other = {
    ...two!,
    id: 'b2',
    from: 'Bob <bob@example.org>',
    subject: '[PATCH 2/2] lib: better',
    to: 'a0',
  };
  const found = choose([cover!, one!, two!, other]);
  t.is(found.ids, 'a1 a2');
  t.regex(found.warnings, /2\/2 is there twice: .*<a2@example.org> is taken, not .*<b2@example.org>/);
  t.is(choose([cover!, one!, two!, { ...two!, id: 'b2', to: 'a2' }]).ids, 'a1 b2');
  const fix = { ...two!, id: 'b2', to: 'a2', subject: '[PATCH 2/2 fix 1/2] lib: fix part 2' };
  t.is(choose([cover!, one!, two!, fix]).ids, 'a1 a2');
});

test('two series in one box are refused with both names', (t) => {
  const found = choose([...posting('a'), ...posting('b', { topic: 'mm' } as object)]);
  t.is(found.refused, 'box holds 2 series: "lib: part 0" and "mm: part 0"');
  t.is(found.ids, '');
  t.is(found.left.b2, 'of the series mm: part 0');
});

test('also two patches without numbers', (t) => {
  const mails = [
    { subject: '[PATCH] lib: a', id: 'a' },
    { subject: '[PATCH] mm: b', id: 'b' },
  ];
  t.is(choose(mails).refused, 'box holds 2 series: "lib: a" and "mm: b"');
});

test('two series that lack each the part that the other has are not mixed', (t) => {
  const a = posting('a', { without: [0, 2], to: 'lost-a' });
  const b = posting('b', { without: [0, 1], to: 'lost-b', topic: 'mm' } as object);
  const found = choose([...a, ...b]);
  t.is(found.ids, '');
  t.regex(found.refused!, /box holds 2 series/);
});

test('a series that somebody else posts in the thread is left out, unless its mail was asked for', (t) => {
  const theirs = posting('b', { to: 'a1', topic: 'mm' } as object, { from: 'Bob <bob@example.org>' });
  const found = choose([...posting('a'), ...theirs]);
  t.is(found.ids, 'a1 a2');
  t.is(found.warnings, '"mm: part 0" of bob@example.org is left out: another series in the thread');
  t.is(found.left.b1, 'of another series: mm: part 0');
  t.is(choose([...posting('a'), ...theirs], { wanted: 'b2@example.org' }).ids, 'b1 b2');
});

test('a second series of the same sender in the thread is refused, unless its mail was asked for', (t) => {
  const second = posting('b', { to: 'a0', topic: 'mm' } as object);
  t.regex(
    choose([...posting('a'), ...second]).refused!,
    /box holds 2 series: "lib: part 0" and "mm: part 0"/,
  );
  t.is(choose([...posting('a'), ...second], { wanted: 'a0@example.org' }).ids, 'a1 a2');
});

test('somebody else may post the next version', (t) => {
  const next = posting('b', { v: 2 }, { from: 'Bob <bob@example.org>' });
  t.is(choose([...posting('a'), ...next]).ids, 'b1 b2');
});

for (const prefix of [
  ...[
    'Re: ',
    'RE: ',
    'Re:',
    'Re[2]: ',
    'Aw: ',
    'AW: ',
    'Antw: ',
    'RES: ',
    'SV: ',
    'VS: ',
    'R: ',
    'Odp: ',
    'YNT: ',
  ],
  ...[
    'Fwd: ',
    'FW: ',
    'TR: ',
    '回复：',
    '答复: ',
    'Re: Re: ',
    '[EXT] Re: ',
    '[External] ',
    'Resposta: ',
    'Отв: ',
  ],
  ...['[list] Re: ', 'Re: [list] '],
])
  test(`a mail with a diff below "${prefix}" is a reply`, (t) => {
    const reply = {
      subject: `${prefix}[PATCH 1/2] lib: part 1`,
      id: 'r',
      to: 'a1',
      from: 'Bob <bob@example.org>',
      file: 'lib/1.c',
    };
    const found = choose([...posting('a'), reply]);
    t.deepEqual([found.ids, found.left], ['a1 a2', { r: 'a reply' }]);
  });

test('so is one without any word, with the same subject', (t) => {
  const reply = { subject: '[PATCH] lib: a', id: 'r', to: 'a', from: 'Bob <bob@example.org>' };
  const found = choose([{ subject: '[PATCH] lib: a', id: 'a' }, reply]);
  t.deepEqual([found.ids, found.left], ['a', { r: 'a reply' }]);
});

test('the name of a subsystem is no word of a reply', (t) => {
  const mails = [
    { subject: '[PATCH 1/2] re: one', id: 'a' },
    { subject: '[PATCH 2/2] vs: two', id: 'b' },
  ];
  t.is(choose(mails).ids, 'a b');
});

test('bots, notices and pull requests beside a series are left out', (t) => {
  const bot = (subject: string, id: string) => ({ subject, id, to: 'a1', from: 'bot <bot@example.org>' });
  const found = choose([
    ...posting('a'),
    bot('[tip: lib/core] lib: part 1', 'tip'),
    bot('[PATCH] lib: x can be static', 'robot'),
    bot('+ lib-part-1.patch added to mm-unstable branch', 'mm'),
    bot('Patch "lib: part 1" has been added to the 6.12-stable tree', 'stable'),
    bot('FAILED: patch "[PATCH] lib" failed to apply to 6.6-stable tree', 'failed'),
    bot('[GIT PULL] lib for 7.0', 'pull'),
  ]);
  t.is(found.ids, 'a1 a2');
  t.deepEqual(Object.keys(found.left).sort(), ['failed', 'mm', 'pull', 'robot', 'stable', 'tip']);
});

test('a patch without a number or a tag is a series by itself', (t) => {
  t.is(choose([{ subject: 'lib: fix a', id: 'a' }]).ids, 'a');
  t.is(choose([{ subject: '[PATCH] lib: fix a', id: 'a' }]).ids, 'a');
  t.is(choose([{ subject: '[RFC] lib: fix a', id: 'a' }]).ids, 'a');
});

test('a version without a number beside numbered ones is taken only if it is asked for', (t) => {
  const single = { subject: '[PATCH v2] lib: part 2', id: 'b', to: 'a2' };
  const found = choose([...posting('a'), single]);
  t.is(found.ids, 'a1 a2');
  t.is(
    found.warnings,
    '"[PATCH v2] lib: part 2" <b@example.org> has no number and is left out (--revision 2 takes it)',
  );
  t.is(choose([...posting('a'), single], { revision: 2 }).ids, 'b');
});

test('what git format-patch -N wrote is taken in its order', (t) => {
  const commits = ['lib: a', 'mm: b', 'fs: c'].map((subject, index) => {
    const text = madeBox([{ subject }]).toString();
    return text.replace(/^From x.*/, `From ${String(index).repeat(40)} Mon Sep 17 00:00:00 2001`);
  });
  const { series, refusal } = fromMails('box', 'box', splitMbox(Buffer.from(commits.join(''))), {});
  t.is(refusal, undefined);
  t.deepEqual(
    series.patches.map(({ file, number }) => [file, number]),
    [
      ['0001-lib-a.patch', null],
      ['0002-mm-b.patch', null],
      ['0003-fs-c.patch', null],
    ],
  );
});

test('parts take the version of the cover letter that they answer', (t) => {
  const [cover, one, two] = posting('b', { v: 2 });
  const bare = [one!, two!].map((mail) => ({ ...mail, subject: mail.subject.replace(' v2', '') }));
  const found = choose([...posting('a'), cover!, ...bare]);
  t.deepEqual([found.ids, found.revision], ['b1 b2', 2]);
});

test('but not if that version has these parts already', (t) => {
  const [cover, one, two] = posting('b', { v: 2 });
  const bare = [one!, two!].map((mail, n) => ({
    ...mail,
    id: `c${n}`,
    subject: mail.subject.replace(' v2', ''),
  }));
  t.deepEqual(
    [choose([cover!, one!, two!, ...bare]).ids, choose([cover!, one!, two!, ...bare]).revision],
    ['b1 b2', 2],
  );
});

test('a part that rerolls one of those counts for itself, whatever version the cover letter names', (t) => {
  const [cover, one, two] = posting('a');
  const mails = [
    { ...cover!, subject: cover!.subject.replace('PATCH', 'PATCH v6') },
    ...[one!, two!],
    { subject: '[PATCH v2 2/2] lib: part 2', id: 'b2', to: 'a2' },
  ];
  t.deepEqual([choose(mails).ids, choose(mails).revision], ['a1 b2', 2]);
});

test('patches without numbers that were sent at once are no versions of each other', (t) => {
  const mails = [1, 2].map((n) => ({
    subject: `[PATCH v5.10] lib: fix ${n}`,
    id: `1721717240-8786-${n}-git-send-email-ann`,
    ...(n === 2 && { to: '1721717240-8786-1-git-send-email-ann' }),
    file: 'lib/a.c',
  }));
  t.is(choose(mails).refused, 'box holds 2 series: "lib: fix 1" and "lib: fix 2"');
});

test('parts that were added later belong to the series', (t) => {
  const added = (n: number, m: number, to: string) => ({
    subject: `[PATCH ${n}/${m}] lib: more ${n}`,
    id: `a${n}`,
    to,
  });
  const found = choose([...posting('a'), added(3, 2, 'a2')]);
  t.is(found.ids, 'a1 a2 a3');
  t.is(found.warnings, '1 of the 3 parts were added to the first 2 later');
  t.is(choose([...posting('a'), added(3, 4, 'a0'), added(4, 4, 'a3')]).ids, 'a1 a2 a3 a4');
  t.is(choose([...posting('a'), added(4, 4, 'a3')]).ids, '');
});

test('of two threads of single patches by two senders, that of the first mail is taken', (t) => {
  const single = (subject: string, id: string, from: string, to?: string) => ({
    ...{ subject, id, from: `${from}@example.org`, file: 'lib/a.c' },
    ...(to !== undefined && { to }),
  });
  const found = choose([
    single('[PATCH] lib: fix a', 'a1', 'ann'),
    single('[PATCH] lib: use RCU', 'b1', 'bob', 'a1'),
    single('[PATCH v2] lib: fix a', 'a2', 'ann', 'a1'),
    single('[PATCH v3] lib: use RCU', 'b3', 'bob', 'b1'),
  ]);
  t.is(found.ids, 'a2');
});

test('a patch of the sender in the same thread that has another subject is no older version', (t) => {
  const found = choose([
    { subject: '[PATCH v2] lib: fix a', id: 'a', file: 'lib/a.c' },
    { subject: '[PATCH] lib: fix overflow', id: 'b', to: 'a', file: 'lib/a.c' },
  ]);
  t.is(found.ids, 'a');
  t.regex(found.warnings, /"lib: fix overflow" of ann@example.org is left out/);
});

test('also after several versions: it is named, and is no repost of the first one', (t) => {
  const found = choose([
    { subject: '[PATCH] lib: fix a', id: 'a', file: 'lib/a.c' },
    { subject: '[PATCH v2] lib: fix a', id: 'b', to: 'a', file: 'lib/a.c' },
    { subject: '[PATCH] lib: fix overflow', id: 'c', to: 'b', file: 'lib/a.c' },
  ]);
  const debugging = choose([
    { subject: '[PATCH] lib: try b', id: 'x', file: 'lib/b.c' },
    { subject: '[PATCH] lib: fix a', id: 'a', to: 'x', file: 'lib/a.c' },
    { subject: '[PATCH v2] lib: fix a', id: 'b', to: 'a', file: 'lib/a.c' },
    { subject: '[PATCH] lib: try b and c', id: 'c', to: 'b', file: 'lib/b.c' },
  ]);
  t.is(debugging.left.c, 'of another series: lib: try b and c');
  t.is(found.ids, 'b');
  t.regex(found.warnings, /"lib: fix overflow" of ann@example.org is left out/);
  t.deepEqual(found.left, { a: 'of v1; v2 is newer', c: 'of another series: lib: fix overflow' });
});

test('a part that somebody else adds to a series is named, and is no older version of it', (t) => {
  const bob = { from: 'Bob <bob@example.org>', file: 'lib/1.c' };
  const found = choose([
    ...posting('a', { v: 3 }),
    { subject: '[PATCH 3/2] lib: more', id: 'b', to: 'a0', ...bob },
    { subject: '[PATCH v3.1 1/2] lib: part 1', id: 'c', to: 'a1', ...bob },
  ]);
  t.is(found.ids, 'c a2');
  t.is(found.left.b, 'of another series: lib: more');
  t.regex(found.warnings, /"lib: more" of bob@example.org is left out: another series in the thread/);
});

/** Mails of one `git send-email`; `to` is the number of the one that a mail answers. */
function sentAtOnce(subjects: Record<number, string>): MadeMail[] {
  const id = (n: number) => `20260101120000.4242-${n}-ann`;
  const [first] = Object.keys(subjects).map(Number);
  return Object.entries(subjects).map(([n, subject]) => ({
    subject,
    id: id(Number(n) + 1),
    file: n === '0' ? null : `lib/${n}.c`,
    ...(Number(n) !== first && { to: id(first! + 1) }),
  }));
}

test('parts that were sent at once are one version, also if one of them names another', (t) => {
  const found = choose(
    sentAtOnce({
      0: '[PATCH v14 0/3] lib: all',
      1: '[PATCH v14 1/3] lib: one',
      2: '[PATCH v13 2/3] lib: two',
      3: '[PATCH RESEND 3/3] lib: three',
    }),
  );
  t.deepEqual([found.ids.split(' ').length, found.revision, found.refused], [3, 14, null]);
  t.is(found.warnings, '"[PATCH v13 2/3] lib: two" names another version, but was sent with those of v14');
  const twice = sentAtOnce({ 1: '[PATCH v2 1/2] lib: one', 2: '[PATCH v2 2/2] lib: two' });
  const alone = { ...twice[1]!, id: '20260101120000.4242-9-ann', subject: '[PATCH v3 2/2] lib: two' };
  t.is(choose([...twice, alone]).revision, 2);
});

test('without a cover letter it is the newest version that one of them names', (t) => {
  const found = choose([
    ...posting('b', { v: 2, without: [0] }),
    ...sentAtOnce({ 1: '[PATCH 1/2] lib: part 1', 2: '[PATCH v3 2/2] lib: part 2' }),
  ]);
  t.deepEqual([found.ids, found.revision], ['20260101120000.4242-2-ann 20260101120000.4242-3-ann', 3]);
});

test('a later version of a part counts from the version that the part names itself', (t) => {
  const [one, two] = sentAtOnce({ 1: '[PATCH v3 1/2] lib: one', 2: '[PATCH 2/2] lib: two' });
  const next = { ...two!, subject: '[PATCH v2 2/2] lib: two', id: 'v2', to: two!.id! };
  const found = choose([one!, two!, next]);
  t.deepEqual([found.ids, found.revision, found.refused], ['20260101120000.4242-2-ann v2', 3, null]);
  t.regex(found.warnings, /2\/2 is there twice: "\[PATCH v2 2\/2\] lib: two" <v2@example.org> is taken/);
  const newer = { ...next, subject: '[PATCH v4 2/2] lib: two', id: 'v4', to: 'v2' };
  const last = choose([one!, two!, next, newer]);
  t.deepEqual([last.ids, last.revision], ['20260101120000.4242-2-ann v4', 4]);
});

test('each part may answer the one before it, or none anything', (t) => {
  const chain = posting('a', { m: 3 }).map((mail, n) => ({ ...mail, ...(n > 0 && { to: `a${n - 1}` }) }));
  t.is(choose(chain.toReversed()).ids, 'a1 a2 a3');
  const loose = posting('a', { m: 3 }).map(({ to: _, ...mail }) => mail);
  t.is(choose(loose).ids, 'a1 a2 a3');
  const next = posting('b', { m: 3, v: 2 }).map((mail, n) => ({ ...mail, to: `a${n}` }));
  t.is(choose([...chain, ...next]).ids, 'b1 b2 b3');
});

test('a box without a patch says what its mails are', (t) => {
  const found = choose([
    { subject: 'Re: [PATCH] lib: a', id: 'a' },
    { subject: 'hello', id: 'b', file: null },
  ]);
  t.is(found.refused, 'no patch in box');
  t.is(
    found.hint,
    'a series needs at least one mail with a diff in it; of its mails: 1 × a reply, 1 × no diff in it',
  );
});

test('a number that no series has is refused', (t) => {
  const found = choose([{ subject: '[PATCH 1/9999999] lib: a', id: 'a' }]);
  t.is(found.refused, 'box: "[PATCH 1/9999999] lib: a": no series has 9999999 parts');
  t.is(
    choose([{ subject: '[PATCH 6/5] lib: a', id: 'a' }]).refused,
    'box: 1/6 to 5/6 are missing of "lib: a"',
  );
});

test('mails that answer each other in a circle are read', (t) => {
  const mails = [
    { subject: '[PATCH 1/2] lib: a', id: 'a', to: 'b' },
    { subject: '[PATCH 2/2] lib: b', id: 'b', to: 'a' },
  ];
  t.is(choose(mails).ids, 'a b');
});

test('a thousand mails take seconds', (t) => {
  const chain = Array.from({ length: 1000 }, (_, n) => ({
    subject: `[PATCH ${n + 1}/1000] lib: part ${n + 1}`,
    id: `a${n}`,
    ...(n > 0 && { to: `a${n - 1}` }),
  }));
  const begun = processorTime();
  t.is(choose(chain).ids.split(' ').length, 1000);
  const loose = chain.map(({ to: _, ...mail }, n) => ({ ...mail, subject: `[PATCH] lib: part ${n}` }));
  t.regex(choose(loose).refused!, /box holds 1000 series: .* and 995 more$/);
  t.true(processorTime() - begun < 60_000);
});

test('of two copies of a mail the one with a diff is taken, and two that differ are named', (t) => {
  const page = { headers: ['Content-Type: text/html'], id: 'a1', body: '<pre>' };
  const [, one, two] = posting('a');
  const found = choose([{ ...one!, ...page }, one!, two!]);
  t.deepEqual([found.ids, found.refused, found.warnings], ['a1 a2', null, '']);
  t.is(found.left.a1, 'a copy: another mail has the same Message-ID');
  const forged = choose([one!, { ...one!, file: 'lib/evil.c' }, two!]);
  t.is(forged.ids, 'a1 a2');
  t.is(
    forged.warnings,
    'two mails with the Message-ID <a1@example.org> have different diffs: the first is taken',
  );
});

test('a mail that is there twice without a Message-ID is taken once', (t) => {
  const found = choose([
    { subject: '[PATCH] a', at: 1 },
    { subject: '[PATCH] a', at: 1 },
  ]);
  t.deepEqual([found.revision, found.left['']], [1, 'a copy of another mail']);
});

test('a part that is sent again as RESEND is taken', (t) => {
  const [again] = posting('b', { v: 2, to: 'a0', without: [0, 1] });
  const resent = { ...again!, subject: again!.subject.replace('v2', 'v2 RESEND') };
  t.is(choose([...posting('a', { v: 2 }), resent]).ids, 'a1 b2');
  t.is(choose([...posting('a', { v: 2 }), again!]).ids, 'a1 a2');
});

test('series for two kernels are two series', (t) => {
  const to = (kernel: string, id: string, extra: { to?: string } = {}) =>
    posting(id, { without: [0], ...extra }).map((mail) => ({
      ...mail,
      subject: mail.subject.replace('PATCH', `PATCH ${kernel}`),
    }));
  for (const extra of [{}, { to: 'x' }]) {
    const found = choose([...to('6.12.y', 'a', extra), ...to('6.6', 'b', extra)]);
    t.is(found.refused, 'box holds 2 series: "[6.12] lib: part 1" and "[6.6] lib: part 1"');
  }
  const single = (kernel: string, id: string) => ({ subject: `[PATCH ${kernel}] lib: a`, id, file: 'a' });
  t.is(
    choose([single('5.15-stable', 'a'), single('AUTOSEL 6.1', 'b')]).refused,
    'box holds 2 series: "[5.15] lib: a" and "[6.1] lib: a"',
  );
  t.is(choose([single('6.12', 'a'), single('v2 6.12.y', 'b')]).ids, 'b');
  t.is(choose([single('6.12', 'a'), single('v2', 'b')]).ids, 'b');
  // Each lacks the part that the other has.
  t.regex(choose([to('6.12', 'a')[0]!, to('6.6', 'b')[1]!]).refused ?? '', /holds 2 series/);
  const cover = { ...posting('a')[0]!, subject: '[PATCH 6.6 0/2] lib: part 0' };
  t.is(choose([cover, ...posting('a').slice(1)]).ids, 'a1 a2');
});

test('a newer version of which only the cover letter is there is named', (t) => {
  const found = choose([...posting('a'), ...posting('b', { v: 2, without: [1, 2] })]);
  t.is(found.ids, 'a1 a2');
  t.is(found.warnings, 'v2 is newer, but not complete (v2 1/2 to 2/2 are missing): v1 is taken');
  const alone = choose(posting('a', { without: [1, 2] }));
  t.is(alone.refused, 'box: 1/2 to 2/2 are missing of "lib: part 0"');
});

test('a later posting of a version that is not complete is called that', (t) => {
  const found = choose([...posting('a', { v: 2 }), ...posting('b', { v: 2, without: [2] })]);
  t.is(found.ids, 'a1 a2');
  t.is(
    found.warnings,
    'a later posting of v2 is not complete (v2 2/2 is missing): the one before it is taken',
  );
});
