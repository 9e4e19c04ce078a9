// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import { asKilnError } from '../errors.ts';
import type { Results } from '../schema.ts';
import { writeAtomic } from '../util/files.ts';
import { renderHtml } from './html.ts';

/** The name of the page in a run's directory. */
export const pageFile = 'report.html';

/** Write the page of a run into its directory. Returns its path; throws KilnError. */
export async function writePage(results: Results, dir: string): Promise<string> {
  const path = join(dir, pageFile);
  await writeAtomic(path, await renderHtml(results, dir));
  return path;
}

/** Write the page at the end of a run. No run fails for it: `note` gets the reason if there is no page. */
export async function storePage(results: Results, dir: string, note: (text: string) => void): Promise<void> {
  try {
    await writePage(results, dir);
  } catch (error) {
    const { message, hint } = asKilnError(error);
    note(
      `${message.startsWith(pageFile) ? '' : `there is no ${pageFile}: `}${message}${hint ? `; ${hint}` : ''}`,
    );
  }
}
