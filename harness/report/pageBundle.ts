// SPDX-License-Identifier: MIT
// The program and the style of report.html, as set-up has built them from harness/page/ (page/build.ts).
import { join } from 'node:path';
import { KilnError } from '../errors.ts';
import { paths } from '../paths.ts';
import { readCachedJson } from '../util/files.ts';
import { sha256File } from '../util/hash.ts';

/** `inputs`: the SHA-256 of each file that it was built from, by its path relative to Kiln's root. */
export type PageBundle = { script: string; style: string; inputs: Record<string, string> };

export const bundlePath = join(paths.root, 'dist', 'page.json');

/** The bundle; throws a KilnError that says what to do if it was not built from the present sources. */
export async function readBundle(path = bundlePath): Promise<PageBundle> {
  const bundle = await currentBundle(path);
  if (bundle) return bundle;
  throw new KilnError('infrastructure', 'report.html is not written: its program is not built', {
    hint: `type: make -C ${paths.root} setup`,
  });
}

/** null if it is missing, or its sources have changed since. An installed package has no sources. */
export async function currentBundle(path = bundlePath): Promise<PageBundle | null> {
  const bundle = await readCachedJson<PageBundle>(path);
  if (!bundle) return null;
  if (paths.code !== paths.root) return bundle;
  const hashes = await Promise.all(
    Object.entries(bundle.inputs).map(async ([file, hash]) => {
      const now = await sha256File(join(paths.root, file)).catch(() => null);
      return now === hash;
    }),
  );
  return hashes.every(Boolean) ? bundle : null;
}
