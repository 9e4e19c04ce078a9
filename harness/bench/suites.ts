// SPDX-License-Identifier: MIT
// Benches that stand beside the suites of a series: guest-tests/<suite>/bench/bench.ts exports `bench`.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Context } from '../context.ts';
import type { Built } from '../job/built.ts';
import { extension, paths } from '../paths.ts';

/** The options of `kiln bench`. Further keys are options of the suite's own. */
export type BenchOptions = {
  rounds: number;
  /** A file for the figures as an SVG picture. */
  plot?: string;
  [option: string]: unknown;
};

/** A bench of a suite: it measures what the series gains. */
export type SuiteBench = {
  /** One line for --help. */
  about: string;
  /** Directories of the suites that the image holds for it beside the default ones. */
  suites: string[];
  /** Options of its own, as commander takes them: flags and description. */
  options: [string, string][];
  /** Returns figures by name; nested objects are shown with dots. */
  run: (built: Built, options: BenchOptions, context: Context) => Promise<object>;
};

/** By the name of their suite. */
export async function findSuiteBenches(): Promise<Map<string, SuiteBench>> {
  const benches = new Map<string, SuiteBench>();
  for (const suite of readdirSync(paths.guestTests).sort()) {
    const file = join(paths.code, 'guest-tests', suite, 'bench', `bench${extension}`);
    const found = await import(pathToFileURL(file).href).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes(file)) return null;
      throw error;
    });
    if (found) benches.set(suite, (found as { bench: SuiteBench }).bench);
  }
  return benches;
}
