// SPDX-License-Identifier: MIT
// Which mails of a box are the series: the newest complete version, each patch once, nothing else.
import { KilnError } from '../errors.ts';
import { changesIn } from './diff.ts';
import { Graph } from './graph.ts';
import type { Mail } from './mail.ts';
import {
  extendPostings,
  groupPostings,
  kernelOf,
  missingOf,
  type Placed,
  type Posting,
  sentTogether,
} from './postings.ts';
import { placeMails } from './versions.ts';

export type ThreadOptions = {
  /** vN instead of the newest complete version. */
  revision?: number | undefined;
  /** Take what is there of a version of which parts are missing. */
  allowIncomplete?: boolean | undefined;
  /** The Message-ID by which the thread was asked for: of two series in it, this mail's is meant. */
  wanted?: string | undefined;
};

/** What of a box is the series. */
export type Choice = {
  /** null if nothing was chosen; `refusal` says why. */
  revision: number | null;
  /** In order. `number` is null if the series has no numbers. */
  patches: { mail: Mail; number: number | null }[];
  cover: Mail | undefined;
  missing: number[];
  leftOut: { mail: Mail; reason: string }[];
  warnings: string[];
  /** Why the patches are not to be tested. */
  refusal: KilnError | undefined;
};

/** A series of more parts is a forgery or a slip. */
const maxTotal = 9999;

/** @param source names the box in messages */
export function chooseSeries(mails: readonly Mail[], source: string, options: ThreadOptions = {}): Choice {
  const chooser = new Chooser(mails, source, options);
  return chooser.choose();
}

class Chooser {
  readonly #source: string;
  readonly #options: ThreadOptions;
  readonly #graph: Graph;
  readonly #mails: Mail[];
  readonly #leftOut = new Map<Mail, string>();
  readonly #warnings: string[] = [];

  constructor(mails: readonly Mail[], source: string, options: ThreadOptions) {
    this.#source = source;
    this.#options = options;
    this.#mails = this.#dropCopies(mails);
    this.#graph = new Graph(this.#mails);
  }

  choose(): Choice {
    const candidates = this.#mails.filter((mail) => this.#isCandidate(mail));
    const postings = this.#findPostings(candidates);
    const all = groupFamilies(postings, this.#graph);
    const withParts = all.filter((family) => family.some(({ parts }) => parts.size > 0));
    const families = withParts.length > 0 ? withParts : all.filter((family) => family.some(isAnnounced));
    if (families.length === 0) return this.#nothing();
    const family = this.#chooseFamily(families);
    if (family instanceof KilnError) return this.#result(undefined, [], family);
    numberReposts(family);
    return this.#chooseVersion(family);
  }

  #leave(mail: Mail, reason: string): void {
    if (!this.#leftOut.has(mail)) this.#leftOut.set(mail, reason);
  }

  /** Lists deliver one mail several times, with other headers and footers, and some take its diff away. */
  #dropCopies(mails: readonly Mail[]): Mail[] {
    const groups = new Map<string, Mail[]>();
    for (const mail of mails) {
      const key = mail.messageId ?? `${mail.date} ${mail.subject.text} ${mail.content.toString('latin1')}`;
      const group = groups.get(key);
      if (group) group.push(mail);
      else groups.set(key, [mail]);
    }
    for (const copies of groups.values()) {
      if (copies.length === 1) continue;
      const taken = copies.find(({ hasDiff, unreadable }) => hasDiff && unreadable === null) ?? copies[0]!;
      const { messageId } = taken;
      for (const mail of copies)
        if (mail !== taken)
          this.#leave(
            mail,
            messageId === null ? 'a copy of another mail' : 'a copy: another mail has the same Message-ID',
          );
      const diffs = copies.filter(({ hasDiff }) => hasDiff).map(({ content }) => content.toString('latin1'));
      if (new Set(diffs.map(changesIn)).size > 1)
        this.#warnings.push(
          `two mails with the Message-ID <${messageId}> have different diffs: the first is taken`,
        );
    }
    return mails.filter((mail) => !this.#leftOut.has(mail));
  }

  /** Cover letters, and mails with a diff that may be patches of a series. */
  #isCandidate(mail: Mail): boolean {
    const { subject } = mail;
    const reason =
      mail.unreadable ??
      (subject.reply === 'yes' || this.#isSilentReply(mail)
        ? 'a reply'
        : subject.pull
          ? 'a pull request'
          : subject.number !== 0 && !mail.hasDiff
            ? mail.whyNone
            : undefined);
    if (reason !== undefined) this.#leave(mail, reason);
    return reason === undefined;
  }

  /** A reply that is called otherwise, or not at all: it answers a mail of somebody else with the same subject. */
  #isSilentReply(mail: Mail): boolean {
    const { title, reply, number, total } = mail.subject;
    if (reply === 'maybe' && mail.parents.length > 0) return true;
    const asks = (other: Mail) =>
      other !== mail &&
      sameTitle(other.subject.title, title) &&
      other.subject.number === number &&
      other.subject.total === total;
    if (reply === 'maybe') return this.#mails.some((other) => asks(other) && other.subject.reply === 'no');
    for (const parent of this.#graph.ancestors(mail)) {
      if (parent.author === mail.author) return false;
      if (asks(parent) && (parent.subject.revision ?? 1) === (mail.subject.revision ?? 1)) return true;
    }
    return false;
  }

  #findPostings(candidates: Mail[]): Posting[] {
    const numbered = candidates.filter(({ subject }) => subject.number !== null);
    const others = candidates.filter(({ subject }) => subject.number === null);
    const huge = numbered.filter(({ subject }) => subject.total! > maxTotal);
    for (const mail of huge) this.#leave(mail, `no series has ${mail.subject.total} parts`);
    const placed = placeMails(
      numbered.filter((mail) => !huge.includes(mail)),
      this.#graph,
    );
    const postings = extendPostings(groupPostings(placed, this.#graph), this.#graph);
    for (const posting of postings)
      for (const { taken, left } of posting.doubles)
        posting.notes.push(`${place(taken)} is there twice: ${name(taken)} is taken, not ${name(left)}`);
    for (const { taken, left } of postings.flatMap(({ doubles }) => doubles)) {
      this.#leave(left, `${place(taken)} is there twice: ${name(taken)} is taken`);
    }
    const parts = placed.filter(({ number }) => number > 0);
    return [...postings, ...this.#findSingles(others, parts)];
  }

  /** Patches without a number, each of which is a series; none beside numbered ones of a longer series. */
  #findSingles(mails: Mail[], parts: Placed[]): Posting[] {
    const tagged = mails.filter(({ subject }) => subject.tagged);
    const untagged = mails.filter(({ subject }) => !subject.tagged);
    if (parts.length > 0 || tagged.length > 0)
      for (const mail of untagged) this.#leave(mail, 'no [PATCH] in its subject, beside mails that have it');
    const asked = tagged.filter(({ subject }) => subject.revision === this.#options.revision);
    if (parts.some(({ total }) => total > 1)) {
      for (const mail of tagged) {
        if (asked.includes(mail)) continue;
        this.#leave(mail, 'no number in its subject, beside mails that have one');
        const { revision } = mail.subject;
        if (parts.some((part) => part.mail.author === mail.author))
          this.#warnings.push(
            `${name(mail)} has no number and is left out${revision === null ? '' : ` (--revision ${revision} takes it)`}`,
          );
      }
      return asked.map((mail) => posting(mail.subject.revision!, new Map([[1, mail]])));
    }
    const singles = parts.length > 0 || tagged.length > 0 ? tagged : untagged;
    const isExport = singles.length > 1 && singles.every((mail) => mail.fromGit && mail.parents.length === 0);
    if (isExport && parts.length === 0)
      return [posting(1, new Map(singles.map((mail, index) => [index + 1, mail])))];
    const versionOf = ({ revision }: Mail['subject']) =>
      revision !== null && Number.isInteger(revision) ? revision : 1;
    return singles.map((mail) => posting(versionOf(mail.subject), new Map([[1, mail]])));
  }

  /** One of several series in a box, or the refusal. */
  #chooseFamily(families: Posting[][]): Posting[] | KilnError {
    const mailsOf = (family: Posting[]) => family.flatMap(allMails);
    const wanted = this.#options.wanted === undefined ? undefined : this.#graph.byId(this.#options.wanted);
    const near = wanted === undefined ? [] : [wanted, ...this.#graph.ancestors(wanted)];
    const asked = near
      .map((mail) => families.find((family) => mailsOf(family).includes(mail)))
      .find((family) => family !== undefined);
    const inTime = families.toSorted((a, b) => begun(a) - begun(b));
    const familyOf = new Map(
      families.flatMap((family) => mailsOf(family).map((mail) => [mail, family] as const)),
    );
    const answersOthers = (family: Posting[]) =>
      mailsOf(family).some((mail) =>
        [...this.#graph.ancestors(mail)].some((above) => (familyOf.get(above) ?? family) !== family),
      );
    // Clocks differ: what begins the thread is what answers nothing.
    const main = asked ?? inTime.find((family) => !answersOthers(family)) ?? inTime[0]!;
    const rest = inTime.filter((family) => family !== main);
    // In a discussion, others post what they would do, and the author posts what came up.
    const isAnswer = (family: Posting[]) =>
      this.#graph.threadOf(mailsOf(family)[0]!) === this.#graph.threadOf(mailsOf(main)[0]!) &&
      !family.some((one) => main.some((other) => areForTwoKernels(one, other))) &&
      ((family.every(isAddition) && family.every(({ author }) => author !== earliest(main).author)) ||
        (family.every(hasNoNumber) && !family.some((one) => main.some((other) => sentAtOnce(one, other)))) ||
        !family.some(({ author }) => main.some((other) => other.author === author)));
    if (!asked && rest.some((family) => !isAnswer(family))) return this.#several(families);
    for (const family of rest) {
      this.#warnings.push(
        `${quoted(title(family))} of ${family[0]!.author} is left out: another series in the thread`,
      );
      for (const mail of mailsOf(family)) this.#leave(mail, `of another series: ${title(family)}`);
    }
    return main;
  }

  #several(families: Posting[][]): KilnError {
    for (const family of families)
      for (const mail of family.flatMap(allMails)) this.#leave(mail, `of the series ${title(family)}`);
    const names = families.map((family) => quoted(title(family)));
    const shown = names.length > 5 ? [...names.slice(0, 5), `${names.length - 5} more`] : names;
    const last = shown.pop();
    return new KilnError(
      'bad-input',
      `${this.#source} holds ${families.length} series: ${shown.join(', ')} and ${last}`,
      { hint: 'give a mailbox with one of them; to test one on top of another, use --with for the first' },
    );
  }

  #chooseVersion(family: Posting[]): Choice {
    const inOrder = family
      .filter((one) => one.parts.size > 0 || isAnnounced(one))
      .sort((a, b) => a.revision - b.revision || a.date - b.date);
    const whole = inOrder.map((one) => this.#reroll(one, inOrder));
    const { revision: asked } = this.#options;
    const eligible = whole.filter(({ revision }) => asked === undefined || revision === asked);
    if (eligible.length === 0) {
      const there = [...new Set(whole.map(({ revision }) => `v${revision}`))].join(', ');
      for (const mail of family.flatMap(allMails)) this.#leave(mail, `not of v${asked}`);
      return this.#result(
        undefined,
        [],
        new KilnError('bad-input', `${this.#source} has no v${asked} of ${quoted(title(family))}`, {
          hint: `there is: ${there}`,
        }),
      );
    }
    const complete = eligible.filter((one) => missingOf(one).length === 0);
    const chosen = complete.at(-1) ?? mostParts(eligible);
    const missing = missingOf(chosen);
    this.#tellRest(family, whole, chosen);
    this.#warnings.push(...chosen.notes);
    const isRefused = missing.length > 0 && (!this.#options.allowIncomplete || chosen.parts.size === 0);
    const refusal = isRefused ? this.#incomplete(chosen, missing) : undefined;
    if (missing.length > 0 && refusal === undefined)
      this.#warnings.push(`${listParts(chosen, missing)} missing; the rest is taken`);
    return this.#result(chosen, missing, refusal);
  }

  /** Why the other mails of the family are left out. */
  #tellRest(family: Posting[], whole: Posting[], chosen: Posting): void {
    const used = new Set(allMails(chosen));
    for (const one of whole) {
      if (one === chosen) continue;
      const missing = missingOf(one);
      const isNewer = whole.indexOf(one) > whole.indexOf(chosen);
      const label =
        one.revision === chosen.revision ? `an earlier posting of v${one.revision}` : `v${one.revision}`;
      const reason =
        isNewer && missing.length > 0
          ? `of v${one.revision}, which is not complete: ${listParts(one, missing)} missing`
          : this.#options.revision !== undefined
            ? `not of v${this.#options.revision}`
            : `of ${label}; ${one.revision === chosen.revision ? 'it was posted again' : `v${chosen.revision} is newer`}`;
      if (isNewer && missing.length > 0)
        this.#warnings.push(
          one.revision === chosen.revision
            ? `a later posting of v${one.revision} is not complete (${listParts(one, missing)} missing): the one before it is taken`
            : `v${one.revision} is newer, but not complete (${listParts(one, missing)} missing): v${chosen.revision} is taken`,
        );
      for (const mail of allMails(one)) if (!used.has(mail)) this.#leave(mail, reason);
    }
    for (const mail of family.flatMap(allMails))
      if (!used.has(mail)) this.#leave(mail, `not of v${chosen.revision}`);
  }

  /**
   * Complete a version whose every part answers the part with its number in an earlier version, as b4 does: these
   * parts replace those.
   */
  #reroll(posting: Posting, inOrder: Posting[]): Posting {
    if (missingOf(posting).length === 0 || posting.parts.size === 0) return posting;
    const before = inOrder
      .filter(({ revision, total }) => revision < posting.revision && total === posting.total)
      .at(-1);
    if (before === undefined) return posting;
    const answers = ([number, mail]: [number, Mail]) =>
      [...this.#graph.ancestors(mail)].some(
        ({ subject }) => subject.number === number && subject.total === posting.total,
      );
    if (![...posting.parts].every(answers)) return posting;
    const earlier = this.#reroll(before, inOrder);
    if (missingOf(earlier).length > 0) return posting;
    const fresh = [...posting.parts.keys()].sort((a, b) => a - b).map((n) => `${n}/${posting.total}`);
    return {
      ...posting,
      cover: posting.cover ?? earlier.cover,
      parts: new Map([...earlier.parts, ...posting.parts]),
      notes: [
        ...earlier.notes,
        ...posting.notes,
        `v${posting.revision} has only ${fresh.join(', ')}; the other parts are those of v${earlier.revision}`,
      ],
    };
  }

  #incomplete(posting: Posting, missing: number[]): KilnError {
    const unusable = this.#mails.filter(
      ({ subject, hasDiff, unreadable }) =>
        (!hasDiff || unreadable !== null) &&
        subject.reply === 'no' &&
        missing.includes(subject.number ?? 0) &&
        subject.total === posting.total,
    );
    const why = ({ unreadable }: Mail) => (unreadable === null ? 'has no diff in it' : `is ${unreadable}`);
    const found =
      unusable.length > 0 ? ` (${unusable.map((mail) => `${name(mail)} ${why(mail)}`).join(', ')})` : '';
    return new KilnError(
      'bad-input',
      `${this.#source}: ${listParts(posting, missing)} missing of ${quoted(title([posting]))}${found}`,
      { hint: 'get the whole thread, or add --allow-incomplete to test what is there' },
    );
  }

  #nothing(): Choice {
    const huge = [...this.#leftOut].find(
      ([mail, reason]) => reason.startsWith('no series has') && mail.hasDiff,
    );
    const refusal = huge
      ? new KilnError('bad-input', `${this.#source}: ${quoted(huge[0].subject.text)}: ${huge[1]}`, {
          hint: 'put the subject right, or give the mail as a directory of patches',
        })
      : new KilnError('bad-input', `no patch in ${this.#source}`, {
          hint: `a series needs at least one mail with a diff in it${this.#whyNone()}`,
        });
    return this.#result(undefined, [], refusal);
  }

  /** The reasons, the most frequent first. */
  #whyNone(): string {
    const counts = new Map<string, number>();
    for (const reason of this.#leftOut.values()) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    if (counts.size === 0) return '';
    const sorted = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3);
    return `; of its mails: ${sorted.map(([reason, count]) => `${count} × ${reason}`).join(', ')}`;
  }

  #result(posting: Posting | undefined, missing: number[], refusal: KilnError | undefined): Choice {
    const parts = [...(posting?.parts ?? [])].sort(([a], [b]) => a - b);
    return {
      revision: posting?.revision ?? null,
      patches: parts.map(([, mail]) => ({ mail, number: mail.subject.number })),
      cover: posting?.cover,
      missing,
      leftOut: [...this.#leftOut].map(([mail, reason]) => ({ mail, reason })),
      warnings: [...new Set(this.#warnings)],
      refusal,
    };
  }
}

/** Put postings together that are versions of one series. */
function groupFamilies(postings: Posting[], graph: Graph): Posting[][] {
  let families: Posting[][] = [];
  const later = postings.filter(({ revision }) => revision > 1);
  for (const one of postings) {
    const related = families.filter((family) =>
      family.some((other) => areVersions(one, other, graph) && !isOvertaken(one, other, later, graph)),
    );
    families = [...families.filter((family) => !related.includes(family)), [...related.flat(), one]];
  }
  return families;
}

function areVersions(a: Posting, b: Posting, graph: Graph): boolean {
  if (areForTwoKernels(a, b) || isAddition(a) !== isAddition(b)) return false;
  const [titles, others] = [titlesIn(a), titlesIn(b)];
  if ([...titles].some((one) => one !== '' && others.has(one))) return true;
  const sameThread = graph.threadOf(allMails(a)[0]!) === graph.threadOf(allMails(b)[0]!);
  const sameAuthor = a.author === b.author;
  const shareFile = [...filesIn(a)].some((file) => filesIn(b).has(file));
  if (a.revision === b.revision)
    return sameThread && sameAuthor && shareFile && a.total + b.total === 2 && !sentAtOnce(a, b);
  const [older, newer] = a.revision < b.revision ? [a, b] : [b, a];
  if (older.date > newer.date) return false;
  // Somebody may send from two addresses, or take a series over.
  if (!sameAuthor) return sameThread && shareFile && a.total > 1 && b.total > 1;
  return sameThread || shareFile;
}

/** A patch with another subject is no repost of an earlier one if the sender has posted a v2 in the thread between. */
function isOvertaken(a: Posting, b: Posting, later: readonly Posting[], graph: Graph): boolean {
  if (a.revision !== b.revision || [...titlesIn(a)].some((title) => titlesIn(b).has(title))) return false;
  const [first, last] = a.date <= b.date ? [a, b] : [b, a];
  return later.some(
    (one) =>
      one.revision > a.revision &&
      one.author === a.author &&
      first.date < one.date &&
      one.date < last.date &&
      graph.threadOf(allMails(one)[0]!) === graph.threadOf(allMails(first)[0]!),
  );
}

/** [PATCH 4/3] adds to a series: it is none by itself, and no version of one. */
function isAddition({ parts }: Posting): boolean {
  return parts.size > 0 && [...parts.values()].every(({ subject }) => subject.isBeyond);
}

/** A patch and its backport, or two backports: no versions of each other. A later version may name its kernel first. */
function areForTwoKernels(a: Posting, b: Posting): boolean {
  const [one, other] = [kernelOf(allMails(a)), kernelOf(allMails(b))];
  if (one === other) return false;
  if (one !== null && other !== null) return true;
  const [older, newer] = a.revision < b.revision ? [a, b] : [b, a];
  return older.revision === newer.revision || older.date > newer.date;
}

/** A cover letter says how many parts there are, whether or not one is there. */
function isAnnounced({ cover, total }: Posting): boolean {
  return cover !== undefined && total > 0;
}

/** Patches that were sent anew without a version get one, as b4 gives them. */
function numberReposts(family: Posting[]): void {
  const singles = family.filter(({ total, parts }) => total === 1 && parts.size === 1);
  const plainOnes = singles.filter(({ parts }) => {
    const { subject } = parts.get(1)!;
    return subject.revision === null && subject.number === null && !subject.resend;
  });
  if (plainOnes.length !== family.length) return;
  for (const [index, one] of plainOnes.sort((a, b) => a.date - b.date).entries()) one.revision = index + 1;
}

function posting(revision: number, parts: Map<number, Mail>): Posting {
  const first = parts.get(1)!;
  return {
    revision,
    total: parts.size,
    cover: undefined,
    parts,
    doubles: [],
    notes: [],
    author: first.author,
    date: first.date ?? 0,
  };
}

function allMails({ cover, parts }: Posting): Mail[] {
  return [...(cover ? [cover] : []), ...parts.values()];
}

const filesIn = remember(({ parts }) => new Set([...parts.values()].flatMap(({ files }) => [...files])));
const titlesIn = remember((one) => new Set(allMails(one).map(({ subject }) => plain(subject.title))));

/** Each posting is compared with each other one. */
function remember(compute: (one: Posting) => ReadonlySet<string>): (one: Posting) => ReadonlySet<string> {
  const known = new WeakMap<Posting, ReadonlySet<string>>();
  return (one) => {
    const found = known.get(one) ?? compute(one);
    known.set(one, found);
    return found;
  };
}

function sentAtOnce(a: Posting, b: Posting): boolean {
  return sentTogether(allMails(a)[0]!, allMails(b)[0]!);
}

function hasNoNumber({ parts }: Posting): boolean {
  return [...parts.values()].every(({ subject }) => subject.number === null);
}

function mostParts(postings: Posting[]): Posting {
  const newest = postings.findLast(({ parts }) => parts.size > 0) ?? postings.at(-1)!;
  const same = postings.filter(({ revision }) => revision === newest.revision);
  return same.toSorted((a, b) => a.parts.size - b.parts.size).at(-1)!;
}

function begun(family: Posting[]): number {
  return earliest(family).date;
}

function earliest(family: Posting[]): Posting {
  return family.reduce((first, one) => (one.date < first.date ? one : first));
}

/** `2/3 is` or `v2 2/3 and 3/3 are`, to stand before "missing". */
function listParts({ revision, total }: Posting, missing: number[]): string {
  const ranges: [number, number][] = [];
  for (const number of missing) {
    const last = ranges.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  const shown = ranges.map(([from, to]) =>
    from === to ? `${from}/${total}` : `${from}/${total} to ${to}/${total}`,
  );
  const text = shown.length > 8 ? `${shown.slice(0, 8).join(', ')} and more` : shown.join(', ');
  return `${revision === 1 ? '' : `v${revision} `}${text} ${missing.length === 1 ? 'is' : 'are'}`;
}

function title(family: Posting[]): string {
  const newest = family.toSorted((a, b) => a.revision - b.revision || a.date - b.date).at(-1)!;
  const { subject } = newest.cover ?? newest.parts.get(1) ?? allMails(newest)[0]!;
  return subject.kernel === null ? subject.title : `[${subject.kernel}] ${subject.title}`;
}

function name({ subject, messageId }: Mail): string {
  return `${quoted(subject.text)}${messageId === null ? '' : ` <${messageId}>`}`;
}

function place({ subject }: Mail): string {
  return subject.number === 0 ? 'the cover letter' : `${subject.number}/${subject.total}`;
}

function quoted(text: string): string {
  return `"${text.length > 100 ? `${text.slice(0, 100)}…` : text}"`;
}

function sameTitle(a: string, b: string): boolean {
  return plain(a) === plain(b) && a !== '';
}

function plain(text: string): string {
  return text.toLowerCase().replace(/\s+/g, ' ').trim();
}
