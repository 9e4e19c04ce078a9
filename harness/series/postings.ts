// SPDX-License-Identifier: MIT
// From mails to postings: a posting is one version of a series, as it was sent.
import type { Graph } from './graph.ts';
import type { Mail } from './mail.ts';

export type Posting = {
  revision: number;
  total: number;
  cover: Mail | undefined;
  /** By n of n/m; a patch without a number is 1. */
  parts: Map<number, Mail>;
  /** Mails whose number another mail has, too: which was taken. */
  doubles: { taken: Mail; left: Mail }[];
  /** What the user is to know if this posting is chosen. */
  notes: string[];
  /** The sender of the cover letter or of the first part. */
  author: string;
  /** Milliseconds; when it was begun. */
  date: number;
};

/** A mail with its place in a series. `number` 0 is a cover letter. */
export type Placed = {
  mail: Mail;
  revision: number;
  number: number;
  total: number;
  /** What the user is to know if it is taken. */
  note?: string;
};

/** Put the parts and covers that were sent together. */
export function groupPostings(placed: readonly Placed[], graph: Graph): Posting[] {
  const placeOf = new Map(placed.map((one) => [one.mail, one]));
  const groups = new Map<string, Placed[]>();
  const anchors = new Map<Placed, string>();
  for (const one of placed) {
    const key = `${one.revision} ${one.total} ${one.mail.subject.kernel} ${anchorOf(one, graph, placeOf, anchors)}`;
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
  }
  const separate = [...groups.values()].flatMap((group) => separateRounds(group));
  return mergeParts(separate, graph).map((group) => toPosting(group, graph));
}

/** What the mails of one posting have in common: the cover letter, else the mail that they answer, else the sender. */
function anchorOf(
  one: Placed,
  graph: Graph,
  placeOf: ReadonlyMap<Mail, Placed>,
  known: Map<Placed, string>,
): string {
  const found = known.get(one);
  if (found !== undefined) return found;
  let anchor: string | undefined;
  if (one.number === 0) anchor = `cover ${known.size}`;
  const first = { part: undefined as Placed | undefined };
  if (anchor === undefined)
    for (const mail of graph.ancestors(one.mail)) {
      const place = placeOf.get(mail);
      if (place?.revision !== one.revision || place.total !== one.total) continue;
      if (place.number === 0) {
        known.set(one, anchorOf(place, graph, placeOf, known));
        return known.get(one)!;
      }
      if (place.mail.author === one.mail.author) first.part = place;
    }
  if (anchor === undefined && first.part !== undefined) {
    const part = first.part;
    // Set first: mails may answer each other in a circle.
    known.set(one, soleAnchor(one));
    anchor = anchorOf(part, graph, placeOf, known);
  }
  anchor ??= soleAnchor(one);
  known.set(one, anchor);
  return anchor;
}

function soleAnchor({ mail }: Placed): string {
  if (mail.parents.length > 0) return `answers ${mail.parents[0]}`;
  return `alone ${mail.author} ${commandOf(mail)}`;
}

/** Whether one command sent both mails. */
export function sentTogether(a: Mail, b: Mail): boolean {
  return commandOf(a) !== '' && commandOf(a) === commandOf(b);
}

/** What the Message-IDs of one `git send-email`, `git format-patch --thread` or `b4 send` have in common, or ''. */
export function commandOf({ messageId }: Mail): string {
  const id = messageId ?? '';
  const counted = /^(\d{8,14}[.-]\d+)-\d+-(.+)$|^(\d{8}-.*-v\d+)-\d+-(\w+@.*)$/.exec(id);
  if (counted) return counted.slice(1).filter(Boolean).join(' ');
  return /^[\w.-]+?\.(\d{9,}\.git\..+)$/.exec(id)?.[1] ?? '';
}

/** Split a group that holds each number several times: the second time all are there, they are a second posting. */
function separateRounds(group: Placed[]): Placed[][] {
  const rounds: Placed[][] = [];
  const counts = new Map<number, number>();
  for (const one of inTime(group)) {
    const round = counts.get(one.number) ?? 0;
    counts.set(one.number, round + 1);
    rounds[round] = [...(rounds[round] ?? []), one];
  }
  const isWhole = (round: Placed[]) => round.filter(({ number }) => number > 0).length === round[0]!.total;
  if (rounds.length > 1 && rounds.every(isWhole)) return rounds;
  return [group];
}

function inTime(group: Placed[]): Placed[] {
  return group.toSorted((a, b) => (a.mail.date ?? 0) - (b.mail.date ?? 0));
}

/** Groups of one version, each with other numbers, are one posting whose mails answer different mails. */
function mergeParts(groups: Placed[][], graph: Graph): Placed[][] {
  const merged: Placed[][] = [];
  for (const group of groups.toSorted((a, b) => earliest(a) - earliest(b))) {
    const into = merged.find((other) => belongTogether(other, group, graph));
    if (into) into.push(...group);
    else merged.push([...group]);
  }
  return merged;
}

function belongTogether(a: Placed[], b: Placed[], graph: Graph): boolean {
  if (a[0]!.revision !== b[0]!.revision || a[0]!.total !== b[0]!.total) return false;
  if (!forOneKernel(kernelOf(a.map(({ mail }) => mail)), kernelOf(b.map(({ mail }) => mail)))) return false;
  const taken = new Set(a.map(({ number }) => number));
  if (b.some(({ number }) => taken.has(number))) return false;
  if (!a.some(({ mail }) => b.some((other) => other.mail.author === mail.author))) return false;
  const isAlone = (group: Placed[]) => group.some(({ mail }) => mail.parents.length === 0);
  const sameThread = graph.threadOf(a[0]!.mail) === graph.threadOf(b[0]!.mail);
  return sameThread || (isAlone(a) && isAlone(b));
}

/** The stable kernel that these mails name. */
export function kernelOf(mails: readonly Mail[]): string | null {
  return mails.find(({ subject }) => subject.kernel !== null)?.subject.kernel ?? null;
}

/** Whether mails for these kernels can be parts of one posting; some may not name theirs. */
function forOneKernel(a: string | null, b: string | null): boolean {
  return a === null || b === null || a === b;
}

function earliest(group: Placed[]): number {
  return Math.min(...group.map(({ mail }) => mail.date ?? Number.MAX_SAFE_INTEGER));
}

function toPosting(group: Placed[], graph: Graph): Posting {
  const parts = new Map<number, Mail>();
  const doubles: Posting['doubles'] = [];
  for (const { number, mail } of inTime(group)) {
    const before = parts.get(number);
    if (before === undefined) {
      parts.set(number, mail);
      continue;
    }
    const taken = replaces(mail, before, graph) ? mail : before;
    doubles.push({ taken, left: taken === mail ? before : mail });
    parts.set(number, taken);
  }
  const cover = parts.get(0);
  parts.delete(0);
  const first = cover ?? parts.get(1) ?? group[0]!.mail;
  const { revision, total } = group[0]!;
  const taken = new Set(parts.values());
  const notes = group.flatMap(({ mail, note }) => (note !== undefined && taken.has(mail) ? [note] : []));
  return { revision, total, cover, parts, doubles, notes, author: first.author, date: earliest(group) };
}

/**
 * The sender posts a patch again in answer to it, or says RESEND: the later one is meant. With another subject it may be
 * a fix to it.
 */
function replaces(mail: Mail, before: Mail, graph: Graph): boolean {
  return (
    mail.author === before.author &&
    mail.subject.title === before.subject.title &&
    ((mail.subject.resend && !before.subject.resend) || [...graph.ancestors(mail)].includes(before))
  );
}

/** Numbers of 1 to m that are not there. */
export function missingOf({ total, parts }: Posting): number[] {
  const missing: number[] = [];
  for (let number = 1; number <= total; number++) if (!parts.has(number)) missing.push(number);
  return missing;
}

/** Put parts that the sender added later, as [PATCH 4/3] or [PATCH 4/4], to the posting that they follow. */
export function extendPostings(postings: readonly Posting[], graph: Graph): Posting[] {
  let all = [...postings];
  for (const added of postings) {
    const least = Math.min(...added.parts.keys());
    const first = all.find(
      (one) =>
        one.total === least - 1 &&
        one.revision === added.revision &&
        one.author === added.author &&
        missingOf(one).length === 0 &&
        added.parts.size === added.total - one.total &&
        threadOf(one, graph) === threadOf(added, graph),
    );
    if (first === undefined || added.cover !== undefined) continue;
    const whole: Posting = {
      ...first,
      total: added.total,
      parts: new Map([...first.parts, ...added.parts]),
      doubles: [...first.doubles, ...added.doubles],
      notes: [`${added.parts.size} of the ${added.total} parts were added to the first ${first.total} later`],
    };
    all = [...all.filter((one) => one !== first && one !== added), whole];
  }
  return all;
}

function threadOf({ parts, cover }: Posting, graph: Graph): string {
  return graph.threadOf(cover ?? [...parts.values()][0]!);
}
