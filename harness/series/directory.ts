// SPDX-License-Identifier: MIT
// A directory of patches: which of its files are patches, and in which order.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnError } from '../errors.ts';
import { readIfThere } from '../util/files.ts';
import { type Mail, readMail } from './mail.ts';
import { readBox } from './mailbox.ts';

/** A file of the directory, read as a mail. `content` are its bytes, unpacked. */
export type PatchFile = { file: string; content: Buffer; mail: Mail };

export type PatchDirectory = {
  /** In order. */
  files: PatchFile[];
  /** The cover letters that are no patches. */
  covers: PatchFile[];
  /** Names of files that may be patches, but are not read, and why. */
  left: { file: string; reason: string }[];
  /** The mails say which series they are: git format-patch or a mail program named the files. */
  areMails: boolean;
  /** Sentences for the user. */
  warnings: string[];
};

const patchName = /\.(?:patch|diff|eml)(?:\.(?:gz|xz))?$/;
/** Backups of editors, mailboxes, other endings. */
const likePatch = /\.(?:patch|diff|eml|mbox|mbx|mail)(?:[.~]\w*)*$/i;
const coverName = /^(?:v\d+-)?0000-/;

/** Read a directory of patches. Throws bad-input for a file that can't be a patch. */
export async function readPatchDirectory(dir: string): Promise<PatchDirectory> {
  const names = (await readdir(dir)).filter((name) => !name.startsWith('.')).sort(inOrder);
  const listed = await readIfThere(join(dir, 'series'));
  if (listed !== undefined) return readListed(dir, names, readQuilt(join(dir, 'series'), listed));
  const read = async (some: string[]) => Promise.all(some.map((file) => readFileOf(dir, file)));
  const patches = names.filter((name) => patchName.test(name) && !coverName.test(name));
  const files = await read(patches);
  const isOfMailer = areOfMailer(files);
  const areMails = files.length > 0 && (isOfMailer || areOfFormatPatch(files));
  if (!areMails) refuseVersions(dir, files);
  if (!isOfMailer) for (const one of files) refuseUnreadable(dir, one);
  return {
    files,
    covers: await read(names.filter((name) => patchName.test(name) && coverName.test(name))),
    left: names
      .filter((name) => !patchName.test(name) && (likePatch.test(name) || /^\d+$/.test(name)))
      .map((file) => ({ file, reason: 'not read: its name does not end in .patch, .diff or .eml' })),
    areMails,
    warnings: areMails ? [] : [...findDisorder(files), ...findGaps(patches)],
  };
}

async function readListed(dir: string, names: string[], listed: string[]): Promise<PatchDirectory> {
  const files: PatchFile[] = [];
  for (const file of listed) {
    const one = await readFileOf(dir, file).catch((cause: KilnError) => {
      const why = cause.message.replace(`${join(dir, file)} `, '');
      throw new KilnError('bad-input', `${join(dir, 'series')} names ${file}, which ${why}`, {
        hint: cause.hint,
        cause,
      });
    });
    refuseUnreadable(dir, one);
    files.push(one);
  }
  const unlisted = names.filter((name) => patchName.test(name) && !coverName.test(name));
  return {
    files,
    covers: [],
    left: unlisted
      .filter((name) => !listed.includes(name))
      .map((file) => ({ file, reason: 'not in the file "series"' })),
    areMails: false,
    warnings: [],
  };
}

/** The names in quilt's `series` file. Its options change what a patch does: a patch is applied forward, with -p1. */
function readQuilt(path: string, text: string): string[] {
  const names: string[] = [];
  for (const line of text.replace(/^\ufeff/, '').split('\n')) {
    const [name, ...options] = line
      .replace(/(^|\s)#.*/, '')
      .trim()
      .split(/\s+/);
    if (!name) continue;
    const other = options.find((option) => option !== '-p1' && option !== '-p' && option !== '1');
    if (other !== undefined)
      throw new KilnError('bad-input', `${path}: ${name} has ${other}, which Kiln does not apply`, {
        hint: 'a patch is applied forward and with -p1: quilt refresh -p1 rewrites it; for -R, reverse it',
        details: { patch: name },
      });
    names.push(name);
  }
  return names;
}

async function readFileOf(dir: string, file: string): Promise<PatchFile> {
  const content = await readBox(join(dir, file));
  if (content.length === 0)
    throw new KilnError('bad-input', `${join(dir, file)} is empty`, {
      hint: 'remove the file, or get the patch again',
      details: { patch: file },
    });
  return { file, content, mail: readMail({ envelope: '', content }) };
}

function refuseUnreadable(dir: string, { file, content, mail }: PatchFile): void {
  const isBox = (content.toString('latin1').match(/^From \S+ .*\d\d:\d\d/gm) ?? []).length > 1;
  if (!isBox && mail.unreadable === null) return;
  throw new KilnError(
    'bad-input',
    isBox
      ? `${join(dir, file)} holds more than one mail`
      : `${join(dir, file)} can't be a patch: ${mail.unreadable}`,
    {
      hint: isBox
        ? 'give the file itself as the series (an mbox), or one patch a file'
        : 'a file is one mail as it was sent, or a diff',
      details: { patch: file },
    },
  );
}

/** By name; 2.patch before 10.patch. */
function inOrder(a: string, b: string): number {
  const [first, second] = [a, b].map((name) => Number(/^\d+/.exec(name)?.[0] ?? Number.NaN)) as [
    number,
    number,
  ];
  return first - second || (a < b ? -1 : a > b ? 1 : 0);
}

/** `v2-0003-x.patch`: version and number as git format-patch puts them into the name. */
function placeOf(file: string): { version: number; number: number } | undefined {
  const [, version, number] = /^(?:v(\d+)-)?(\d{4,})-/.exec(file) ?? [];
  return number === undefined ? undefined : { version: Number(version ?? 1), number: Number(number) };
}

/** Whether git format-patch made all files, and their names and subjects agree. */
function areOfFormatPatch(files: PatchFile[]): boolean {
  const places = files.map(({ file }) => placeOf(file));
  const isSole = (version: number) => places.filter((place) => place?.version === version).length === 1;
  return files.every(({ mail: { subject } }, index) => {
    const place = places[index];
    if (place === undefined || place.version !== (subject.revision ?? 1)) return false;
    // The only patch of a version has no number.
    return subject.number === null
      ? subject.tagged && place.number === 1 && isSole(place.version)
      : place.number === subject.number;
  });
}

/** Mails that a mail program saved: it names files by other things than their order. */
function areOfMailer(files: PatchFile[]): boolean {
  return files.every(({ file }) => /\.eml(?:\.|$)/.test(file));
}

/** Versions of one series are not to be applied one on the other. */
function refuseVersions(dir: string, files: PatchFile[]): void {
  const versions = [...new Set(files.map(({ file }) => placeOf(file)?.version))];
  if (versions.length < 2 || versions.includes(undefined)) return;
  const names = versions.map((version) => `v${version}`).join(', ');
  throw new KilnError('bad-input', `${dir} holds several versions of a series: ${names}`, {
    hint: 'keep one version in a directory, or name the patches to apply in a file "series"',
  });
}

function findDisorder(files: PatchFile[]): string[] {
  const places = files.map(({ mail: { subject } }) => subject.number);
  const known = places.filter((number) => number !== null);
  if (known.every((number, index) => index === 0 || known[index - 1]! < number)) return [];
  return [
    `the files are applied in the order of their names, in which their subjects are ${known.join(', ')}`,
  ];
}

/** A number that no name has, between numbers that names have. */
function findGaps(names: string[]): string[] {
  const numbers = names.map((name) => placeOf(name)?.number);
  const gaps = numbers.flatMap((number, index) => {
    const before = numbers[index - 1];
    return number !== undefined && before !== undefined && number - before === 2 ? [before + 1] : [];
  });
  const shown = gaps.slice(0, 8).map((number) => String(number).padStart(4, '0'));
  return gaps.length === 0 ? [] : [`there is no patch ${shown.join(', ')} between the others`];
}
