// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { lastToTouch, type Tree } from '../tree/tree.ts';
import { readIfThere, writeAtomic } from '../util/files.ts';
import { requireTools } from './buildTools.ts';
import { isExplained } from './compile.ts';
import { findReasons, findUnmet, type Reason, requireConfig } from './config.ts';
import { type ConfigValues, parseConfig } from './dotConfig.ts';
import { asKconfigText, type Fragment } from './fragment.ts';
import { kernelMake } from './make.ts';
import { type Build, readBuilt } from './workspace.ts';

/** A configuration as Kconfig made it. `reasons`: why symbols did not get the value that a fragment wishes for. */
export type Configured = { config: ConfigValues; reasons: Record<string, Reason> };

type ConfigRequest = { fragments: Fragment[]; tree: Tree; defaults: boolean };

/** Merge the fragments with Kconfig. Throws config-missing if a symbol that is needed did not get its value. */
export async function configure(
  workspace: Build,
  request: ConfigRequest,
  context: Context,
): Promise<Configured> {
  const { fragments } = request;
  const config = await mergeFragments(workspace, request, context);
  const unmet = findUnmet(fragments, config);
  const reasons = await findReasons(unmet, fragments, workspace.source, config);
  requireConfig(unmet, reasons);
  await requireTools(config);
  return { config, reasons };
}

/** Merge the fragments with Kconfig, whatever becomes of their wishes. */
export async function mergeFragments(
  workspace: Build,
  { fragments, tree, defaults }: ConfigRequest,
  context: Context,
): Promise<ConfigValues> {
  const { build, seen } = workspace;
  const fragment = join(build, 'kiln.config');
  const asked = asKconfigText(fragments, new Set(tree.symbols));
  const unchanged = (await readIfThere(fragment)) === asked && (await readIfThere(join(build, '.config')));
  if (!unchanged) {
    context.progress('configuring');
    await writeAtomic(fragment, asked);
  }
  // Also run for unchanged fragments: it is quick, and the tree's Kconfig files may have changed.
  const output: string[] = [];
  try {
    const words = [
      `KCONFIG_ALLCONFIG=${join(seen.build, 'kiln.config')}`,
      defaults ? 'alldefconfig' : 'allnoconfig',
    ];
    await kernelMake(workspace, words, context, (line) => output.push(line));
  } catch (cause) {
    context.signal.throwIfAborted();
    if (isExplained(cause)) throw cause;
    throw oldTools(output) ?? configureError(output, seen.source, tree, cause);
  }
  return parseConfig(await readBuilt(workspace, '.config'));
}

/** scripts/cc-version.sh, as-version.sh and ld-version.sh name the versions in lines that begin with stars. */
export function oldTools(output: readonly string[]): KilnError | undefined {
  const lines = output.filter((line) => line.startsWith('*** ')).map((line) => line.replace(/^\*+ +/, ''));
  const at = lines.findIndex((line) => /\b(?:too old|unknown)\b/.test(line));
  if (at < 0) return undefined;
  const words = lines.slice(at, at + 3).map((line) => line.replace(/\.$/, '').replace(/:\s+/, ' '));
  return new KilnError('bad-input', `this tree needs other tools: ${words.join('; ')}`, {
    hint: 'choose another compiler with --llvm or --cc, or another tree',
  });
}

function configureError(output: string[], source: string, tree: Tree, cause: unknown): KilnError {
  const last = lastToTouch(tree);
  const line =
    output.find((text) => /Kconfig.*:\d+:/.test(text)) ??
    output.findLast((text) => text !== '' && !/^make(\[\d+\])?: (Entering|Leaving|\*\*\*) /.test(text)) ??
    output.at(-1) ??
    '';
  const file = line.replace(`${source}/`, '').split(':')[0] ?? '';
  const patch = last.get(file)?.file;
  return new KilnError(
    'does-not-build',
    `the kernel can't be configured: ${line.replace(`${source}/`, '')}`,
    {
      details: { file, ...(patch === undefined ? {} : { patch }), output: output.slice(-20).join('\n') },
      cause,
    },
  );
}
