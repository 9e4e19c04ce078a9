// SPDX-License-Identifier: MIT
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { KilnError } from '../errors.ts';
import { plural } from '../util/plural.ts';
import { isLoreSource, readThread } from './b4.ts';
import { type PatchFile, readPatchDirectory } from './directory.ts';
import { type Mail, needsDecoding, readMail } from './mail.ts';
import { type RawMail, readMailbox } from './mailbox.ts';
import { findMisapplied } from './misapplied.ts';
import { barePatch, type Patch, patchFile } from './patch.ts';
import type { Prerequisite } from './prerequisite.ts';
import { type Range, readRange } from './range.ts';
import { chooseSeries, type ThreadOptions } from './thread.ts';

/** Ordered patches from one source, and what was not taken from it. */
export type Series = {
  name: string;
  source: string;
  patches: Patch[];
  /** The version of the series that was chosen, as in [PATCH v2]; 1 if its mails name none, null without mails. */
  revision: number | null;
  /** Numbers of 1 to m that are not there. Only with --allow-incomplete does a series have any. */
  missing: number[];
  /** Mails of the source that are not part of the series, and why. */
  leftOut: LeftOut[];
  /** Sentences for the user, about what was chosen. */
  warnings: string[];
  /** Its cover letter, which is no patch; null if there is none. */
  cover: { subject: string; messageId: string | null; from: string } | null;
  /** The `base-commit:` that the cover letter or a patch names, as it has it; the commit that a range was made on. */
  baseCommit: string | null;
  /** The `change-id:` that b4 gave to all versions of the series; null if no mail names one. */
  changeId: string | null;
  /** What the same mail says is applied on that commit before the series. */
  prerequisites: Prerequisite[];
  /** What the patches of a range are made from; null if they are mails. */
  range: Range | null;
};

export type LeftOut = { subject: string; messageId: string | null; reason: string };

/** A series of patches that are not chosen from mails: all of them, in this order. */
export function bareSeries(name: string, source: string, patches: Patch[]): Series {
  return {
    name,
    source,
    patches,
    revision: null,
    missing: [],
    leftOut: [],
    warnings: [],
    cover: null,
    baseCommit: null,
    changeId: null,
    prerequisites: [],
    range: null,
  };
}

export type ReadOptions = ThreadOptions & {
  /** A directory of public-inbox, in which `lore:` is looked up instead of the network. */
  inbox?: string | undefined;
  signal?: AbortSignal | undefined;
};

/** A series, and why it is not to be tested if it is not: a part is missing, or nothing could be chosen. */
export type Reading = { series: Series; refusal: KilnError | undefined };

/**
 * Read a series from what the user gave: a name in `patches/`, any directory of patches (with a quilt
 * `series` file or in name order), an mbox file, a maildir, a thread on a list, or `git:DIR#A..B`.
 * @param patchesDir where bare names are looked up
 */
export async function readSeries(
  source: string,
  patchesDir: string,
  options: ReadOptions = {},
): Promise<Series> {
  const { series, refusal } = await inspectSeries(source, patchesDir, options);
  if (refusal) throw refusal;
  return series;
}

/** The same, for `kiln series`: what was found is returned also if it is refused. Throws if nothing can be read. */
export async function inspectSeries(
  source: string,
  patchesDir: string,
  options: ReadOptions = {},
): Promise<Reading> {
  const { signal } = options;
  if (source === '')
    throw new KilnError('bad-input', 'the name of the series is empty', {
      hint: 'is a variable on the command line not set?',
    });
  if (isLoreSource(source)) {
    const { id, mails } = await readThread(source, options);
    return fromMails(id, source, mails, { ...options, wanted: id });
  }
  const range = /^git:(.+)#(.*\.\..*)$/.exec(source);
  if (range) return rangeSeries(source, range[1]!, range[2]!, options);
  if (source.startsWith('git:'))
    throw new KilnError('bad-input', `there is no range in ${source}`, {
      hint: 'a series in git is git:DIR#A..B: what B has since A',
    });
  const path = (await namedDirectory(source, patchesDir)) ?? resolve(source);
  const info = await stat(path).catch(() => undefined);
  if (info === undefined)
    throw new KilnError('bad-input', `no series "${source}"`, {
      hint: `give a directory of patches, an mbox file, lore:MESSAGE-ID, git:DIR#A..B, or a name in ${patchesDir}: ${(await listSeries(patchesDir)).join(', ') || '(none)'}`,
    });
  const name = seriesName(path);
  const maildir = info.isDirectory() && (await isMaildir(path));
  if (!info.isDirectory() || maildir)
    return fromMails(name, source, await readMailbox(path, maildir, signal), options);
  return directorySeries(name, source, path, options);
}

async function directorySeries(
  name: string,
  source: string,
  path: string,
  options: ReadOptions,
): Promise<Reading> {
  const { files, covers, left, areMails, warnings } = await readPatchDirectory(path);
  const leftOut = left.map(({ file, reason }) => ({ subject: file, messageId: null, reason }));
  if (files.length === 0)
    throw nothingIn(
      source,
      name,
      left.map(({ file }) => file),
    );
  const mails = [...covers, ...files].map(({ mail }) => mail);
  const { series, refusal } = areMails
    ? fromChoice(name, source, mails, options, new Map(files.map(({ file, mail }) => [mail, file])))
    : whole(source, name, files.map(asPatch), options);
  const notes = areMails
    ? []
    : files.flatMap(({ file, mail }) => mail.notes.map((note) => `${file}: ${note}`));
  return {
    series: {
      ...series,
      leftOut: [...series.leftOut, ...leftOut],
      warnings: [...warnings, ...notes, ...series.warnings],
      ...(series.baseCommit === null && madeOn(mails)),
      changeId: changeIdOf(mails),
    },
    refusal,
  };
}

/** The name of a series whose source is this path. */
export function seriesName(path: string): string {
  return basename(path)
    .replace(/\.(gz|xz)$/, '')
    .replace(/\.(mbox|mbx|patch|eml)$/, '');
}

/** The series in a box of mails. @param source names the box in messages */
export function fromMails(name: string, source: string, raw: RawMail[], options: ReadOptions): Reading {
  const mails = raw.map((mail) => {
    options.signal?.throwIfAborted();
    return readMail(mail);
  });
  return fromChoice(name, source, mails, options);
}

/** @param files names of the mails that are files of their own */
function fromChoice(
  name: string,
  source: string,
  mails: Mail[],
  options: ReadOptions,
  files: ReadonlyMap<Mail, string> = new Map(),
): Reading {
  const choice = chooseSeries(mails, source, options);
  const revision = choice.revision ?? 1;
  const own = [...(choice.cover ? [choice.cover] : []), ...choice.patches.map(({ mail }) => mail)];
  const series: Series = {
    name,
    source,
    patches: choice.patches.map(({ mail, number }, index) => ({
      file: files.get(mail) ?? patchFile(number ?? index + 1, mail.subject.title, revision),
      content: mail.content,
      number,
      subject: mail.subject.text,
      messageId: mail.messageId,
      recoded: mail.recoded,
    })),
    revision: choice.revision,
    missing: choice.missing,
    leftOut: choice.leftOut.map(({ mail: { subject, messageId }, reason }) => ({
      subject: subject.text,
      messageId,
      reason,
    })),
    warnings: [
      ...choice.warnings,
      ...choice.patches.flatMap(({ mail }) => mail.notes.map((note) => `"${mail.subject.text}": ${note}`)),
    ],
    cover: choice.cover ? coverOf(choice.cover) : null,
    ...madeOn(own),
    changeId: changeIdOf(own),
    range: null,
  };
  return checked(series, choice.refusal);
}

function coverOf({ subject, messageId, from }: Mail): Series['cover'] {
  return { subject: subject.text, messageId, from };
}

/** What the first mail that names a base says of it. */
function madeOn(mails: Mail[]): Pick<Series, 'baseCommit' | 'prerequisites'> {
  const { baseCommit = null, prerequisites = [] } = mails.find((mail) => mail.baseCommit !== null) ?? {};
  return { baseCommit, prerequisites };
}

function changeIdOf(mails: Mail[]): string | null {
  return mails.find(({ changeId }) => changeId !== null)?.changeId ?? null;
}

/** What the text of the patches tells, in addition to why they are refused if they are. */
function checked(series: Series, refusal: KilnError | undefined): Reading {
  const found = findMisapplied(series);
  return {
    series: { ...series, warnings: [...series.warnings, ...found.warnings] },
    refusal: refusal ?? found.refusal,
  };
}

/** A source that has no versions: all of it is the series. */
function whole(source: string, name: string, patches: Patch[], { revision }: ReadOptions): Reading {
  if (revision !== undefined)
    throw new KilnError('usage', `--revision ${revision}: ${source} has no versions`, {
      hint: '--revision chooses from the mails of a thread',
    });
  if (patches.length === 0) throw nothingIn(source, name, []);
  return checked(bareSeries(name, source, patches), undefined);
}

async function rangeSeries(
  source: string,
  repository: string,
  range: string,
  options: ReadOptions,
): Promise<Reading> {
  const read = await readRange(repository, range, options.signal);
  const { series, refusal } = whole(source, basename(resolve(repository)), read.patches, options);
  return { series: { ...series, ...read }, refusal };
}

/**
 * Name, version and what was left out, for a line of output: `things (v2 of v1, v2; left out: 3 replies)`.
 */
export function describeChoice({ name, revision, missing, leftOut, range }: Series): string {
  const what = range ? 'commit' : 'mail';
  const counts = new Map<string, number>();
  for (const { reason } of leftOut) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const reasons = [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([reason, count]) => `${plural(count, what)}: ${reason}`);
  const shown = reasons.length > 3 ? [...reasons.slice(0, 3), 'more'] : reasons;
  const parts = [
    ...(revision === null || (revision === 1 && shown.length + missing.length === 0) ? [] : [`v${revision}`]),
    ...(missing.length === 0 ? [] : [`WITHOUT ${missing.length} missing parts`]),
    ...(shown.length === 0 ? [] : [`left out: ${shown.join(', ')}`]),
  ];
  return parts.length === 0 ? name : `${name} (${parts.join('; ')})`;
}

/** The names of the series kept in `patches/`. */
export async function listSeries(patchesDir: string): Promise<string[]> {
  const entries = await readdir(patchesDir, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .sort();
}

/** @param others files of a directory that are no patches by their names */
function nothingIn(source: string, name: string, others: string[]): KilnError {
  const seen =
    others.length === 0
      ? ''
      : `; a patch's file ends in .patch, .diff or .eml, but there is ${others.slice(0, 5).join(', ')}`;
  return new KilnError('bad-input', `no patch in ${source}`, {
    hint: `a series needs at least one mail with a diff in it, or a commit that changes something${seen}`,
    details: { series: name },
  });
}

async function namedDirectory(source: string, patchesDir: string): Promise<string | undefined> {
  return (await listSeries(patchesDir)).includes(source) ? join(patchesDir, source) : undefined;
}

async function isMaildir(path: string): Promise<boolean> {
  return (await stat(join(path, 'cur')).catch(() => undefined))?.isDirectory() ?? false;
}

/** The patch in a file of a directory. */
function asPatch({ file, content, mail }: PatchFile): Patch {
  const { subject, messageId } = mail;
  const isDecoded = mail.hasDiff && needsDecoding(content);
  return {
    ...barePatch(file, isDecoded ? mail.content : content),
    number: subject.number,
    subject: subject.text,
    messageId,
    recoded: isDecoded ? mail.recoded : null,
  };
}
