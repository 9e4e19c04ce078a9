// SPDX-License-Identifier: MIT
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { KilnError } from '../errors.ts';
import { readIfThere, readPlain } from '../util/files.ts';
import { gitRange, mailPatches } from './mail.ts';
import { barePatch, type Patch } from './patch.ts';

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
  /** The `base-commit:` that the cover letter or a patch names, as it has it. */
  baseCommit: string | null;
};

export type LeftOut = { subject: string; messageId: string | null; reason: string };

/** A series of patches that are not chosen from mails: all of them, in this order. */
export function bareSeries(name: string, source: string, patches: Patch[]): Series {
  return { name, source, patches, revision: null, missing: [], leftOut: [], warnings: [], baseCommit: null };
}

/**
 * Read a series from what the user gave: a name in `patches/`, any directory of patches (with a quilt
 * `series` file or in name order), an mbox file, a maildir, or `git:DIR#A..B`.
 * @param patchesDir where bare names are looked up
 */
export async function readSeries(source: string, patchesDir: string, signal?: AbortSignal): Promise<Series> {
  const range = /^git:(.+)#(.*\.\..*)$/.exec(source);
  if (range) return named(source, basename(range[1]!), await gitRange(range[1]!, range[2]!, signal));
  const path = (await namedDirectory(source, patchesDir)) ?? resolve(source);
  const info = await stat(path).catch(() => undefined);
  if (info === undefined)
    throw new KilnError('bad-input', `no series "${source}"`, {
      hint: `give a directory of patches, an mbox file, git:DIR#A..B, or a name in ${patchesDir}: ${(await listSeries(patchesDir)).join(', ') || '(none)'}`,
    });
  const name = basename(path).replace(/\.(mbox|mbx|patch|eml)$/, '');
  if (!info.isDirectory() || (await isMaildir(path)))
    return named(source, name, await mailPatches(path, signal));
  return named(source, name, await directoryPatches(path));
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
      hint: 'a series needs at least one mail with a diff in it',
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
    patches.push(barePatch(file, content));
  }
  return patches;
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
