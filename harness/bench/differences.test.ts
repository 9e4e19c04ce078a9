// SPDX-License-Identifier: MIT
import test from 'ava';
import { type Mail, readMail } from '../series/mail.ts';
import { type MadeMail, madeMail } from '../testing/mails.ts';
import { explainDifference, hasTwoSeries, isSame, type Read, rules, type Taken } from './differences.ts';

const read = (...mails: MadeMail[]) =>
  mails.map((mail, at) => readMail({ envelope: '', content: Buffer.from(madeMail({ at, ...mail })) }));

const short = (id: string | null) => (id ?? '').replace('@example.org', '');

/** A tool that takes these mails, by Message-ID. */
function taken(mails: readonly Mail[], ids: string, more: Partial<Taken> = {}): Taken {
  const patches = ids.split(' ').flatMap((id) => {
    const mail = mails.find(({ messageId }) => short(messageId) === id);
    const { number, total } = mail?.subject ?? { number: null, total: null };
    return mail ? [{ id: mail.messageId!, diff: mail.content.toString(), number, total }] : [];
  });
  return { patches, isIncomplete: false, isSeveral: false, said: '', ...more };
}

/** The mails that each rule leaves for b4, by Message-ID and perhaps another subject; null: all of them. */
function left(mails: readonly Mail[]): (string[] | null)[] {
  return rules.map(({ apply }) => {
    const some = apply(mails);
    if (some === undefined) return null;
    return some.map(
      ({ mail, subject }) => `${short(mail.messageId)}${subject === undefined ? '' : `: ${subject}`}`,
    );
  });
}

const pair: MadeMail[] = [
  { subject: '[PATCH 1/2] lib: a', id: 'a1' },
  { subject: '[PATCH 2/2] lib: b', id: 'a2', to: 'a1' },
];
const bob = { from: 'Bob <bob@example.org>' };

test('mails without a number beside numbered ones, and without [PATCH] beside those with it, are dropped', (t) => {
  const mails = read(
    ...pair,
    { subject: '[PATCH v2] lib: b', id: 'x' },
    { subject: 'Re: [PATCH 1/2] lib: a', id: 'r' },
  );
  t.deepEqual(left(mails), [['a1', 'a2', 'r'], null, null, null]);
  const singles = read({ subject: '[PATCH] lib: a', id: 'a' }, { subject: 'lib: a', id: 'b' });
  t.deepEqual(left(singles)[0], ['a']);
  t.deepEqual(left(read({ subject: '[PATCH] lib: a', id: 'a' }, { subject: '[PATCH v2] lib: a', id: 'b' })), [
    null,
    null,
    null,
    null,
  ]);
});

test('versions that b4 does not read become whole numbers in the same order', (t) => {
  const mails = read(
    ...pair,
    { subject: '[PATCH v1.1 2/2] lib: b', id: 'x' },
    { subject: '[RFCv3 1/2] lib: a', id: 'y' },
  );
  t.deepEqual(left(mails)[1], ['a1', 'a2', 'x: [PATCH v2 2/2] lib: b', 'y: [PATCH v3 1/2] lib: a']);
  const glued = read({ subject: '[v3,1/2] lib: a', id: 'x' }, { subject: '[PATCH] lib: b', id: 'y' });
  t.deepEqual(left(glued)[1], ['x: [PATCH v2 1/2] lib: a', 'y']);
  for (const tag of ['PATCH v2', 'PATCHv2', 'RFC, v2, 1/2', 'PATCH V2 1/2'])
    t.is(left(read(...pair, { subject: `[${tag}] lib: a`, id: 'x' }))[1], null, tag);
});

test('patches of another sender are dropped, unless they have a subject of the first one', (t) => {
  const mails = read(
    ...pair,
    { subject: '[PATCH v2 1/2] lib: a', id: 'b1', ...bob },
    { subject: '[PATCH 0/1] mm: c', id: 'c0', file: null, ...bob },
    { subject: '[PATCH v2 1/1] mm: c', id: 'c1', ...bob },
  );
  t.deepEqual(left(mails), [null, null, ['a1', 'a2', 'b1'], null]);
});

test('patches of the sender without a number are dropped if the newest version has another subject', (t) => {
  const mails = read(
    { subject: '[PATCH] lib: try', id: 'a' },
    { subject: '[PATCH] lib: fix', id: 'b' },
    { subject: '[PATCH v2] lib: fix', id: 'c' },
    { subject: '[PATCH] lib: more', id: 'd' },
  );
  t.deepEqual(left(mails), [null, null, null, ['b', 'c']]);
});

test('two series of one sender are known by their command, or by two whole sets', (t) => {
  const sent = (n: number, subject: string) => ({ subject, id: `20260101120000.1-${n}-ann` });
  t.true(hasTwoSeries(read(sent(1, '[PATCH v2] lib: a'), sent(2, '[PATCH] mm: b'))));
  t.false(hasTwoSeries(read(sent(1, '[PATCH] lib: a'), sent(2, '[PATCH v2] lib: a'))));
  t.false(hasTwoSeries(read({ subject: '[PATCH] lib: a', id: 'a' }, { subject: '[PATCH] mm: b', id: 'b' })));
  const other = [
    { subject: '[PATCH 1/2] mm: a', id: 'b1' },
    { subject: '[PATCH 2/2] mm: b', id: 'b2', to: 'b1' },
  ];
  t.true(hasTwoSeries(read(...pair, ...other)));
  t.false(hasTwoSeries(read(...pair, other[0]!)));
  t.false(hasTwoSeries(read(...pair, ...other.map((mail) => ({ ...mail, ...bob })))));
  t.false(hasTwoSeries(read(...pair, ...pair.map((mail) => ({ ...mail, id: `v2${mail.id}` })))));
});

test('an old part is known by the newer one that answers it', async (t) => {
  const mails = read(
    ...pair,
    { subject: '[PATCH v1.1 2/2] lib: b', id: 'x', to: 'a2' },
    { subject: '[PATCH v2 2/2] lib: b', id: 'y', to: 'a1' },
  );
  const ask = async () => taken(mails, '');
  const explain = (ours: string, theirs: string) =>
    explainDifference(mails, taken(mails, ours), taken(mails, theirs), ask);
  t.is(await explain('a1 x', 'a1 a2'), 'takes a part that its sender answers with a newer one');
  t.is(await explain('a1 a2', 'a1 x'), undefined);
  t.is(await explain('a1 y', 'a1 a2'), undefined);
  t.is(await explain('x a2', 'a1 a2'), undefined);
});

test('a difference is explained if b4 takes the same by a rule, or by all of them', async (t) => {
  const mails = read(
    ...pair,
    { subject: '[PATCH v2] lib: b', id: 'x' },
    { subject: '[PATCH v3 1/1] mm: c', id: 'y', ...bob },
  );
  // Takes what it is given, but for replies.
  const ask = async (some: Read[]) => taken(mails, some.map(({ mail }) => short(mail.messageId)).join(' '));
  const explain = (ours: string, theirs: string) =>
    explainDifference(mails, taken(mails, ours), taken(mails, theirs), ask);
  t.is(await explain('a1 a2 y', 'x'), rules[0]!.name);
  t.is(await explain('a1 a2', 'x'), `${rules[0]!.name}, and ${rules[2]!.name}`);
  t.is(await explain('a2 a1', 'x'), undefined);
});

test('b4 may also take too few parts when it reads what it should', async (t) => {
  const mails = read(...pair, { subject: '[PATCH v2] lib: b', id: 'x' });
  const ask = async () => taken(mails, 'a1');
  const why = await explainDifference(mails, taken(mails, 'a1 a2'), taken(mails, 'x'), ask);
  t.is(why, `${rules[0]!.name}, and takes the newest version, which is not complete`);
});

test('a part that is missing is seen by the numbers of what b4 takes', async (t) => {
  const mails = read(...pair, { subject: '[PATCH v2 1/2] lib: a', id: 'b1' });
  const never = async () => taken(mails, '');
  const explain = (ours: Taken, theirs: Taken) => explainDifference(mails, ours, theirs, never);
  const half = taken(mails, 'b1');
  t.is(await explain({ ...half, isIncomplete: true }, half), 'says nothing of a part that is missing');
  t.is(await explain(taken(mails, 'a1 a2'), half), 'takes the newest version, which is not complete');
  t.is(
    await explain(taken(mails, 'a1 a2'), { ...half, isIncomplete: true }),
    'takes the newest version, which is not complete',
  );
  const other = taken(mails, 'a1', { isIncomplete: true });
  t.is(await explain({ ...half, isIncomplete: true }, other), undefined);
  t.is(await explain(half, taken(mails, 'a1 a2')), undefined);
  t.is(await explain({ ...taken(mails, ''), isSeveral: true }, taken(mails, 'a1 a2')), undefined);
});

test('two choices are the same by Message-ID or by diff, in the same order', (t) => {
  const mails = read(...pair);
  const [one, two] = [taken(mails, 'a1 a2'), taken(mails, 'a2 a1')];
  t.true(isSame(one, one));
  t.false(isSame(one, two));
  t.false(isSame(one, { ...one, isIncomplete: true }));
  const nameless = { ...one, patches: one.patches.map((patch) => ({ ...patch, id: '' })) };
  t.true(isSame(one, nameless));
  t.false(
    isSame(nameless, { ...one, patches: one.patches.map((patch) => ({ ...patch, id: '', diff: '' })) }),
  );
});
