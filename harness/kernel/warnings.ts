// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { lastToTouch, type Tree } from '../tree/tree.ts';
import { exists } from '../util/files.ts';
import { type Diagnostic, findDiagnostics } from './diagnostics.ts';
import { kernelMake } from './make.ts';
import type { Workspace } from './workspace.ts';

/**
 * Recompile the C files touched by the series with W=1. make rebuilds these objects in the next build, because their
 * command line has changed; ccache makes that cheap.
 */
export async function warningsOfSeries(
  workspace: Workspace,
  tree: Tree,
  context: Context,
): Promise<Diagnostic[]> {
  const last = lastToTouch(tree);
  const objects: string[] = [];
  for (const file of last.keys()) {
    const object = file.replace(/\.c$/, '.o');
    if (file.endsWith('.c') && (await exists(join(workspace.build, object)))) objects.push(object);
  }
  if (objects.length === 0) return [];
  context.progress(`compiling ${objects.length} touched files with W=1`);
  const lines: string[] = [];
  await kernelMake(workspace, ['W=1', ...objects], context, (line) => lines.push(line));
  const warnings = findDiagnostics(lines, workspace.seen.source, last);
  return warnings.filter(({ severity, patch }) => severity === 'warning' && patch !== null);
}
