// SPDX-License-Identifier: MIT
// Kiln and b4 take different patches from a thread: do the mails show that b4 breaks a rule of
// docs/adding-a-series.md? Where b4 should not have read a mail, it is asked again without it.

import { Graph } from '../series/graph.ts';
import type { Mail } from '../series/mail.ts';
import { commandOf } from '../series/postings.ts';

/** What a tool takes of a thread. */
export type Taken = {
  /** In order. `number` and `total` are n and m of [PATCH n/m]. */
  patches: { id: string; diff: string; number: number | null; total: number | null }[];
  /** The tool says that parts are missing. */
  isIncomplete: boolean;
  /** The tool says that there are several series. */
  isSeveral: boolean;
  /** Why nothing is taken, or what else there is to know. */
  said: string;
};

/** A mail that b4 reads, perhaps with another subject than it came with. */
export type Read = { mail: Mail; subject?: string };

/** Mails as b4 should read them by a rule of Kiln's; undefined: the rule changes none of these. */
export type Rule = { name: string; apply: (mails: readonly Mail[]) => Read[] | undefined };

/** The same patches in the same order, also if they are taken from a mail that was sent twice. */
export function isSame(a: Taken, b: Taken): boolean {
  if (a.patches.length !== b.patches.length || a.isIncomplete !== b.isIncomplete) return false;
  return a.patches.every(({ id, diff }, index) => {
    const other = b.patches[index]!;
    return (id !== '' && id === other.id) || diff === other.diff;
  });
}

/** The rule that b4 breaks, or undefined: one of the two is wrong. @param ask b4 for what it takes of these mails */
export async function explainDifference(
  mails: readonly Mail[],
  ours: Taken,
  theirs: Taken,
  ask: (mails: Read[]) => Promise<Taken>,
): Promise<string | undefined> {
  if (ours.isSeveral && hasTwoSeries(mails)) return 'says nothing of a second series of the same sender';
  if (takesOldParts(mails, ours, theirs)) return 'takes a part that its sender answers with a newer one';
  const found = compareParts(ours, theirs);
  if (found !== undefined) return found;
  let all: Read[] = mails.map((mail) => ({ mail }));
  const names: string[] = [];
  const explain = async (some: Read[], broken: string[]) => {
    const now = await ask(some);
    const rest = isSame(ours, now) ? [] : [compareParts(ours, now)];
    return rest.includes(undefined) ? undefined : [...broken, ...rest].join(', and ');
  };
  for (const { name, apply } of rules) {
    const alone = apply(mails);
    if (alone === undefined) continue;
    const why = await explain(alone, [name]);
    if (why !== undefined) return why;
    names.push(name);
    const kept = new Map(alone.map((one) => [one.mail, one]));
    all = all.flatMap((one) => (kept.has(one.mail) ? { ...one, ...kept.get(one.mail) } : []));
  }
  return names.length > 1 ? explain(all, names) : undefined;
}

/** What b4 does wrong by the numbers of the parts that the two take. */
function compareParts(ours: Taken, theirs: Taken): string | undefined {
  if (!lacksParts(theirs)) return undefined;
  if (ours.isIncomplete && !theirs.isIncomplete) return 'says nothing of a part that is missing';
  return isWhole(ours) ? 'takes the newest version, which is not complete' : undefined;
}

export const rules: Rule[] = [
  {
    name: 'takes a mail without a number, or without [PATCH], beside those that have it',
    apply: dropUnnumbered,
  },
  { name: 'does not read the version or the number (RFCv2, v6.1, [v3,1/9])', apply: rewriteVersions },
  { name: 'takes a patch of another sender, with another subject', apply: dropOtherSenders },
  { name: 'takes a patch of the sender with another subject for the next version', apply: dropOtherSubjects },
];

function dropUnnumbered(mails: readonly Mail[]): Read[] | undefined {
  const patches = mails.filter(isPatch);
  const isNumbered = patches.some(({ subject }) => (subject.total ?? 1) > 1);
  const isTagged = patches.some(({ subject }) => subject.tagged);
  return without(
    mails,
    (mail) =>
      isPatch(mail) && ((isNumbered && mail.subject.number === null) || (isTagged && !mail.subject.tagged)),
  );
}

/** Whether each part that only one tool takes is newer in the first choice: it answers the other, and says that. */
function takesOldParts(mails: readonly Mail[], ours: Taken, theirs: Taken): boolean {
  if (ours.patches.length !== theirs.patches.length || ours.isIncomplete !== theirs.isIncomplete)
    return false;
  const graph = new Graph(mails);
  return ours.patches.every(({ id }, index) => {
    const [a, b] = [graph.byId(id), graph.byId(theirs.patches[index]!.id)];
    if (a === b && a !== undefined) return true;
    if (a === undefined || b === undefined || a.author !== b.author || titleOf(a) !== titleOf(b))
      return false;
    const isNewer = (a.subject.revision ?? 1) > (b.subject.revision ?? 1);
    return isNewer && a.subject.number === b.subject.number && [...graph.ancestors(a)].includes(b);
  });
}

/** Versions as whole numbers in the same order, in the form that b4 knows. */
function rewriteVersions(mails: readonly Mail[]): Read[] | undefined {
  const isSeen = (mail: Mail) => mail.subject.reply === 'no' && mail.subject.revision !== null;
  const versioned = mails.filter((mail) => isPatch(mail) || isCover(mail) || isSeen(mail));
  if (versioned.every(isReadByB4)) return undefined;
  const versions = [...new Set(versioned.map(({ subject }) => subject.revision ?? 1))].sort((a, b) => a - b);
  return mails.map((mail) => {
    const { revision, number, total, title } = mail.subject;
    if (!versioned.includes(mail) || (revision === null && isReadByB4(mail))) return { mail };
    const version = revision === null ? '' : ` v${versions.indexOf(revision) + 1}`;
    const place = number === null ? '' : ` ${number}/${total}`;
    const subject = `[PATCH${version}${place}] ${title.replace(/[^ -~]/g, '?')}`;
    return { mail, subject };
  });
}

/** b4 knows v2, PATCHv2 and 1/2 as words of their own in the brackets. */
function isReadByB4({ subject: { text, revision, number } }: Mail): boolean {
  const inside = [...text.matchAll(/\[([^\]]*)\]/g)].map(([, words]) => words!).join(' ');
  const words = inside
    .replace(/(patch)(v\d+)/gi, '$1 $2')
    .split(/\s+/)
    .map((word) => word.replace(/^[,;]+|[,;]+$/g, '').toLowerCase());
  const hasNumber = words.some((word) => /^\d+\/\d+$/.test(word));
  return (revision === null || words.includes(`v${revision}`)) && hasNumber === (number !== null);
}

function dropOtherSenders(mails: readonly Mail[]): Read[] | undefined {
  const first = firstPatch(mails);
  if (first === undefined) return undefined;
  const own = mails.filter((mail) => mail.author === first.author && (isPatch(mail) || isCover(mail)));
  const titles = new Set(own.map(titleOf));
  return without(
    mails,
    (mail) => (isPatch(mail) || isCover(mail)) && mail.author !== first.author && !titles.has(titleOf(mail)),
  );
}

/** What has the subject of the newest version that a subject names, or of the first patch, is the series. */
function dropOtherSubjects(mails: readonly Mail[]): Read[] | undefined {
  const first = firstPatch(mails);
  if (first === undefined) return undefined;
  const own = mails.filter((mail) => isPatch(mail) && mail.author === first.author && mail.subject.tagged);
  const newest = Math.max(...own.map(({ subject }) => subject.revision ?? 0));
  const titles = new Set(own.filter(({ subject }) => subject.revision === newest).map(titleOf));
  if (titles.size === 0) titles.add(titleOf(first));
  return without(
    mails,
    (mail) => own.includes(mail) && mail.subject.number === null && !titles.has(titleOf(mail)),
  );
}

/**
 * Whether one sender has posted two series: one command sent two patches that have no number, or two sets of parts, each
 * whole, have other subjects and answer other mails.
 */
export function hasTwoSeries(mails: readonly Mail[]): boolean {
  const singles = mails.filter((mail) => isPatch(mail) && mail.subject.number === null);
  const isPair = (a: Mail, b: Mail) =>
    a !== b && commandOf(a) !== '' && commandOf(a) === commandOf(b) && titleOf(a) !== titleOf(b);
  if (singles.some((a) => singles.some((b) => isPair(a, b)))) return true;
  const sets = new Map<string, Mail[]>();
  for (const mail of mails.filter((one) => isPatch(one) && one.subject.number !== null)) {
    const { revision, total, number } = mail.subject;
    // The first part may be what the others answer.
    const above = number === 1 && !mail.parents.length ? mail.messageId : mail.parents[0];
    const key = `${mail.author} ${revision ?? 1} ${total} ${above}`;
    sets.set(key, [...(sets.get(key) ?? []), mail]);
  }
  const whole = [...sets.values()].filter(
    (set) => new Set(set.map(({ subject }) => subject.number)).size === set[0]!.subject.total,
  );
  return whole.some((a) => {
    const titles = new Set(a.map(titleOf));
    return whole.some((b) => a[0]!.author === b[0]!.author && !b.some((mail) => titles.has(titleOf(mail))));
  });
}

/** Numbers that a tool's own choice does not have, by the subjects. */
function lacksParts({ patches }: Taken): boolean {
  const total = Math.max(0, ...patches.map((patch) => patch.total ?? 0));
  return patches.length > 0 && new Set(patches.map(({ number }) => number)).size < total;
}

function isWhole(taken: Taken): boolean {
  return taken.patches.length > 0 && !taken.isIncomplete && !lacksParts(taken);
}

/** @returns undefined if that leaves all */
function without(mails: readonly Mail[], drop: (mail: Mail) => boolean): Read[] | undefined {
  const left = mails.filter((mail) => !drop(mail));
  return left.length === mails.length ? undefined : left.map((mail) => ({ mail }));
}

function firstPatch(mails: readonly Mail[]): Mail | undefined {
  return mails
    .filter((mail) => isPatch(mail) && mail.subject.tagged)
    .sort((a, b) => (a.date ?? 0) - (b.date ?? 0))[0];
}

function isPatch({ subject, hasDiff }: Mail): boolean {
  return hasDiff && subject.reply === 'no' && subject.number !== 0;
}

function isCover({ subject }: Mail): boolean {
  return subject.reply === 'no' && subject.number === 0;
}

function titleOf({ subject }: Mail): string {
  return subject.title.toLowerCase().replace(/\s+/g, ' ');
}
