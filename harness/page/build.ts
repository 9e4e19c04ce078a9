// SPDX-License-Identifier: MIT
import { join, relative } from 'node:path';
import { paths } from '../paths.ts';
import { bundlePath, currentBundle, type PageBundle } from '../report/pageBundle.ts';
import { writeAtomic } from '../util/files.ts';
import { sha256File } from '../util/hash.ts';

/** Build the program of report.html, unless it is built from the present sources. Returns whether it was built now. */
export async function buildPage(path = bundlePath): Promise<boolean> {
  if (await currentBundle(path)) return false;
  // Only here: an installed package has the bundle, and no bundler.
  const { build } = await import('esbuild');
  const { outputFiles, metafile } = await build({
    entryPoints: [join(import.meta.dirname, 'view', 'main.tsx')],
    absWorkingDir: paths.root,
    outdir: 'dist',
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'iife',
    target: 'es2022',
    platform: 'browser',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'eof',
    logLevel: 'silent',
  });
  const inputs: PageBundle['inputs'] = {};
  // The lock file stands for all of node_modules.
  const own = Object.keys(metafile.inputs).filter((file) => !file.startsWith('node_modules/'));
  for (const file of [...own, 'package-lock.json', relative(paths.root, import.meta.filename)])
    inputs[file] = await sha256File(join(paths.root, file));
  const output = (end: string) => outputFiles.find((file) => file.path.endsWith(end))?.text ?? '';
  await writeAtomic(path, JSON.stringify({ script: output('.js'), style: output('.css'), inputs }));
  return true;
}

// For `npm pack`.
if (import.meta.main) await buildPage();
