// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import { asKilnError } from '../errors.ts';
import type { Results } from '../schema.ts';
import { writeAtomic } from '../util/files.ts';
import { renderHtml } from './html.ts';
import { bundlePath } from './pageBundle.ts';

/** The name of the page in a run's directory. */
export const pageFile = 'report.html';

/** Write the page of a run into its directory. Returns its path; throws KilnError. */
export async function writePage(results: Results, dir: string, bundle = bundlePath): Promise<string> {
  const path = join(dir, pageFile);
  await writeAtomic(path, await renderHtml(results, dir, bundle));
  return path;
}

/** Write the page at the end of a run. No run fails for it: `note` gets the reason if there is no page. */
export async function storePage(
  results: Results,
  dir: string,
  note: (text: string) => void,
  bundle = bundlePath,
): Promise<void> {
  try {
    await writePage(results, dir, bundle);
  } catch (error) {
    const { message, hint } = asKilnError(error);
    note(
      `${message.startsWith(pageFile) ? '' : `there is no ${pageFile}: `}${message}${hint ? `; ${hint}` : ''}`,
    );
  }
}
