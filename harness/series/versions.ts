// SPDX-License-Identifier: MIT
// Which version a part or a cover letter is of. Its subject says it, or what it was sent with.
import type { Graph } from './graph.ts';
import type { Mail } from './mail.ts';
import { commandOf, type Placed } from './postings.ts';

/** Give each mail its version. v6.1 rerolls parts of v6; without a v6 it is the version of a kernel. */
export function placeMails(mails: readonly Mail[], graph: Graph): Placed[] {
  const has = (revision: number) => mails.some(({ subject }) => (subject.revision ?? 1) === revision);
  const isStated = ({ revision, number, total }: Placed) =>
    mails.some(
      ({ subject }) => subject.revision === revision && subject.number === number && subject.total === total,
    );
  const stated = ({ subject: { revision } }: Mail) =>
    revision !== null && (Number.isInteger(revision) || has(Math.floor(revision))) ? revision : null;
  const placed = mails.map((mail): Placed => {
    const [number, total] = [mail.subject.number!, mail.subject.total!];
    const inherited = { mail, number, total, revision: inheritedBy(mail, mails, graph) ?? 1 };
    const revision = stated(mail) ?? (isStated(inherited) ? 1 : inherited.revision);
    return { mail, number, total, revision };
  });
  return correct(placed, stated, graph);
}

/** A part that names no version is of that of the cover letter or first part that it answers. */
function inheritedBy(mail: Mail, mails: readonly Mail[], graph: Graph): number | undefined {
  const [id] = mail.parents;
  const { number, total, revision } = (id !== undefined && graph.byId(id)?.subject) || {};
  if (number !== 0 && !(number === 1 && mail.subject.number! > 1)) return undefined;
  if (total !== mail.subject.total || !revision || !Number.isInteger(revision)) return undefined;
  // A v2 2/3 in answer to the 2/3 of a cover letter v6: the parts count for themselves.
  const isCounted = mails.some(
    (other) =>
      (other.subject.revision ?? revision) < revision &&
      other.subject.number !== 0 &&
      other.subject.total === total &&
      other.parents.some((above) => above !== id && graph.byId(above)?.parents[0] === id),
  );
  return isCounted ? undefined : revision;
}

/**
 * A series that one command sent is one version, also if a part of it names another. A later version of such a part
 * counts from that one.
 */
function correct(placed: readonly Placed[], stated: (mail: Mail) => number | null, graph: Graph): Placed[] {
  const corrected = new Map<Mail, number>();
  for (const group of groupByCommand(placed)) {
    const revision = revisionOf(group);
    for (const { mail } of revision === null ? [] : group) corrected.set(mail, revision!);
  }
  if (corrected.size === 0) return [...placed];
  return placed.map((one) => {
    const { mail, number, total } = one;
    const revision = corrected.get(mail);
    const own = stated(mail);
    if (revision !== undefined) {
      const isOdd = own !== null && own !== revision;
      const note = `"${mail.subject.text}" names another version, but was sent with those of v${revision}`;
      return { ...one, revision, ...(isOdd && { note }) };
    }
    for (const above of graph.ancestors(mail)) {
      const base = corrected.get(above);
      if (base === undefined || above.subject.number !== number || above.subject.total !== total) continue;
      const isLater = own !== null && own > (stated(above) ?? 1) && own <= base;
      return isLater && above.author === mail.author ? { ...one, revision: base } : one;
    }
    return one;
  });
}

/** Whole series that one command sent, each number once. */
function groupByCommand(placed: readonly Placed[]): Placed[][] {
  const groups = new Map<string, Placed[]>();
  for (const one of placed) {
    const command = commandOf(one.mail);
    if (command === '') continue;
    const key = `${one.total} ${one.mail.subject.kernel} ${command}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].filter((group) => {
    const parts = group.filter(({ number }) => number > 0);
    return (
      parts.length === parts[0]?.total && new Set(group.map(({ number }) => number)).size === group.length
    );
  });
}

/** The version of a series whose parts name several: that of its cover letter, else the newest one. */
function revisionOf(group: Placed[]): number | null {
  const versions = group.filter(({ number }) => number > 0).map(({ revision }) => revision);
  if (new Set(versions).size === 1) return null;
  const cover = group.find(({ number }) => number === 0)?.revision;
  return cover !== undefined && versions.includes(cover) ? cover : Math.max(...versions);
}
