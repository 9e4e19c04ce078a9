// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { lastToTouch, type Tree } from '../tree/tree.ts';
import { exists } from '../util/files.ts';
import { plural } from '../util/plural.ts';
import { type Diagnostic, findDiagnostics } from './diagnostics.ts';
import { linkedObjects } from './linked.ts';
import { kernelMake } from './make.ts';
import type { Workspace } from './workspace.ts';

/** Warnings with W=1 in the C files that the series touches, in what it changed. */
export async function warningsOfSeries(
  workspace: Workspace,
  tree: Tree,
  context: Context,
): Promise<Diagnostic[]> {
  const files = [...lastToTouch(tree).keys()];
  const all = await compileWithWarnings(workspace, tree, files, context);
  return all.filter(({ severity, patch }) => severity === 'warning' && patch !== null);
}

/**
 * Recompile C files with W=1. Those that the configuration does not build are passed over. make rebuilds these objects
 * in the next build, because their command line has changed; ccache makes that cheap.
 */
export async function compileWithWarnings(
  workspace: Workspace,
  tree: Tree,
  files: readonly string[],
  context: Context,
): Promise<Diagnostic[]> {
  const isStale = await findStale(workspace.build);
  const objects: string[] = [];
  for (const file of files) {
    if (!file.endsWith('.c')) continue;
    const object = file.replace(/\.c$/, '.o');
    // make leaves the object of a file that a patch removed or renamed.
    const both = [join(workspace.build, object), join(workspace.source, file)];
    if (!isStale(object) && (await Promise.all(both.map(exists))).every(Boolean)) objects.push(object);
  }
  if (objects.length === 0) return [];
  context.progress(`compiling ${plural(objects.length, 'touched file')} with W=1`);
  const lines: string[] = [];
  await kernelMake(workspace, ['W=1', ...objects], context, (line) => lines.push(line));
  return findDiagnostics(lines, workspace.seen.source, lastToTouch(tree));
}

/**
 * make also leaves the objects of options that are off by now; their sources need not compile. Only the kernel itself is
 * built here, no modules, so that its archives have all that is not stale.
 */
async function findStale(build: string): Promise<(object: string) => boolean> {
  const isKernel = (await exists(join(build, 'vmlinux.a'))) || (await exists(join(build, 'init/built-in.a')));
  if (!isKernel) return () => false;
  const { objects, apart } = await linkedObjects(build);
  const linked = new Set([...objects, ...apart]);
  return (object) => !linked.has(object);
}
