// SPDX-License-Identifier: MIT
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { KilnError } from '../errors.ts';
import { exists, readIfThere, readPlain } from '../util/files.ts';
import { plural } from '../util/plural.ts';
import { isLoreSource, readThread } from './lore.ts';
import { needsDecoding, readMail } from './mail.ts';
import { type RawMail, readMailbox } from './mailbox.ts';
import { barePatch, type Patch, patchFile } from './patch.ts';
import { type Range, readRange } from './range.ts';
import { parseSubject } from './subject.ts';
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
  /** The `base-commit:` that the cover letter or a patch names, as it has it; the commit that a range was made on. */
  baseCommit: string | null;
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
    baseCommit: null,
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
  const patches = await directoryPatches(path);
  if (!(await isFormatPatch(path, patches))) return whole(source, name, patches, options);
  const mails = patches.map(({ content }) => ({ envelope: '', content }));
  return fromMails(name, source, mails, options);
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
  const choice = chooseSeries(mails, source, options);
  const revision = choice.revision ?? 1;
  const series: Series = {
    name,
    source,
    patches: choice.patches.map(({ mail: { subject, messageId, content }, number }, index) => ({
      file: patchFile(number ?? index + 1, subject.title, revision),
      content,
      number,
      subject: subject.text,
      messageId,
    })),
    revision: choice.revision,
    missing: choice.missing,
    leftOut: choice.leftOut.map(({ mail: { subject, messageId }, reason }) => ({
      subject: subject.text,
      messageId,
      reason,
    })),
    warnings: choice.warnings,
    baseCommit: [choice.cover, ...choice.patches.map(({ mail }) => mail)].reduce<string | null>(
      (found, mail) => found ?? mail?.baseCommit ?? null,
      null,
    ),
    range: null,
  };
  return { series, refusal: choice.refusal };
}

/** A source that has no versions: all of it is the series. */
function whole(source: string, name: string, patches: Patch[], { revision }: ReadOptions): Reading {
  if (revision !== undefined)
    throw new KilnError('usage', `--revision ${revision}: ${source} has no versions`, {
      hint: '--revision chooses from the mails of a thread',
    });
  return { series: named(source, name, patches), refusal: undefined };
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

function named(source: string, name: string, patches: Patch[]): Series {
  if (patches.length === 0)
    throw new KilnError('bad-input', `no patch in ${source}`, {
      hint: 'a series needs at least one mail with a diff in it, or a commit that changes something',
      details: { series: name },
    });
  return bareSeries(name, source, patches);
}

async function namedDirectory(source: string, patchesDir: string): Promise<string | undefined> {
  return (await listSeries(patchesDir)).includes(source) ? join(patchesDir, source) : undefined;
}

async function isMaildir(path: string): Promise<boolean> {
  return (await stat(join(path, 'cur')).catch(() => undefined))?.isDirectory() ?? false;
}

/**
 * Whether git format-patch made all files, and they are not in an order of the user's: then the mails say which series
 * they are, and whether all of it is there.
 */
async function isFormatPatch(dir: string, patches: Patch[]): Promise<boolean> {
  if (await exists(join(dir, 'series'))) return false;
  return patches.every(({ file, number, subject }) => {
    const [, version, place] = /^(?:v(\d+)-)?(\d{4,})-.*\.patch$/.exec(file) ?? [];
    return (
      place !== undefined &&
      Number(place) === number &&
      Number(version ?? 1) === (parseSubject(subject).revision ?? 1)
    );
  });
}

async function directoryPatches(dir: string): Promise<Patch[]> {
  const patches: Patch[] = [];
  for (const file of await patchOrder(dir)) {
    const content = await readPlain(join(dir, file)).catch((cause: NodeJS.ErrnoException) => {
      if (cause instanceof KilnError) throw cause;
      throw new KilnError('bad-input', `${join(dir, 'series')} names ${file}, which can't be read`, {
        cause,
      });
    });
    if (content.length === 0)
      throw new KilnError('bad-input', `${join(dir, file)} is empty`, { details: { patch: file } });
    if ((content.toString('latin1').match(/^From \S+ .*\d\d:\d\d/gm) ?? []).length > 1)
      throw new KilnError('bad-input', `${join(dir, file)} holds more than one mail`, {
        hint: 'give the file itself as the series (an mbox), or one patch a file',
        details: { patch: file },
      });
    patches.push(describe(file, content));
  }
  return patches;
}

/** What a patch file says of itself, if it is a mail. */
function describe(file: string, content: Buffer): Patch {
  const mail = readMail({ envelope: '', content });
  const { subject, messageId } = mail;
  const decoded = mail.hasDiff && needsDecoding(content) ? mail.content : content;
  return { ...barePatch(file, decoded), number: subject.number, subject: subject.text, messageId };
}

/** The order of quilt's `series` file, if there is one; else all patches but cover letters, by name. */
async function patchOrder(dir: string): Promise<string[]> {
  const listed = await readIfThere(join(dir, 'series'));
  if (listed === undefined) {
    const names = (await readdir(dir)).filter((name) => /\.(patch|diff|eml)$/.test(name)).sort();
    return names.filter((name) => !/^(v\d+-)?0000-/.test(name));
  }
  return listed
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().split(/\s+/)[0] ?? '')
    .filter((name) => name !== '');
}
