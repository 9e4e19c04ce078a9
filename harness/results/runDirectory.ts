// SPDX-License-Identifier: MIT
import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { KilnError } from '../errors.ts';
import { type Results, readResults } from '../schema.ts';
import { exists, makeDirectories, readPlain, replaceLink, writeAtomic } from '../util/files.ts';

/** The directory of a run, and the run's id. */
export type RunDirectory = { id: string; dir: string };

/**
 * Make `<parent>/<id>` and point `<parent>/latest` at it. Ids sort by time. Git ignores a parent that is made here: else
 * the results would be changes of the tree in which a developer calls Kiln, and `--tree .` would build them.
 */
export async function createRunDirectory(parent: string): Promise<RunDirectory> {
  const now = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  const id = `${now}-${randomBytes(2).toString('hex')}`;
  const dir = join(resolve(parent), id);
  const isNew = !(await exists(parent));
  try {
    await makeDirectories(dir);
    if (isNew) await writeAtomic(join(parent, '.gitignore'), '*\n');
    await replaceLink(id, join(resolve(parent), 'latest'));
  } catch (cause) {
    throw new KilnError(
      'infrastructure',
      `can't make a run directory in ${parent}: ${(cause as Error).message}`,
      {
        hint: 'choose another place with --out DIR',
        cause,
      },
    );
  }
  return { id, dir };
}

/** Write results.json in one step: a reader never sees half of it. */
export async function writeResults(dir: string, results: Results): Promise<void> {
  await writeAtomic(join(dir, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
}

/** Bytes of a results.json, at most: 50,000 cases have 20 MB, and Node has no text of 512 MB. */
const mostBytes = 256 * 1024 * 1024;

async function refuseHuge(file: string): Promise<void> {
  const size = (await stat(file).catch(() => undefined))?.size ?? 0;
  if (size > mostBytes)
    throw new KilnError(
      'bad-input',
      `${file} has ${Math.round(size / 1e6)} MB; Kiln reads at most ${Math.round(mostBytes / 1e6)} MB`,
      {
        hint: 'no run writes so much: look at what is in it, and run the tests again',
      },
    );
}

/**
 * Read a run's results.
 * @param run a run's directory, its results.json, or an id in `parent`
 */
export async function loadResults(run: string, parent: string): Promise<{ results: Results; dir: string }> {
  const candidates = [resolve(run), join(resolve(parent), run)];
  for (const path of candidates) {
    const info = await stat(path).catch(() => undefined);
    if (!info) continue;
    const file = info.isDirectory() ? join(path, 'results.json') : path;
    await refuseHuge(file);
    const text = await readPlain(file).catch((cause) => {
      if (cause instanceof KilnError) throw cause;
      throw new KilnError('bad-input', `there is no results.json in ${path}`, {
        hint: 'the run may still be going, or was killed before it could write',
        cause,
      });
    });
    try {
      return {
        results: readResults(text.toString()),
        dir: basename(file) === 'results.json' ? resolve(file, '..') : path,
      };
    } catch (cause) {
      throw new KilnError('bad-input', `${file}: ${(cause as Error).message}`, { cause });
    }
  }
  throw new KilnError('bad-input', `no run "${run}"`, {
    hint: `give a run's directory, or an id in ${parent}`,
  });
}
