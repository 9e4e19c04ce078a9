// SPDX-License-Identifier: MIT
// What the compiler of one variant says of the touched files of one tree.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../context.ts';
import { asKilnError } from '../../errors.ts';
import { mergeFragments } from '../../kernel/configure.ts';
import type { Diagnostic } from '../../kernel/diagnostics.ts';
import { type ConfigValues, parseConfig } from '../../kernel/dotConfig.ts';
import { evaluate, parseExpression } from '../../kernel/expression.ts';
import type { KernelRequest } from '../../kernel/kernel.ts';
import { compileObjects, type ObjectResult } from '../../kernel/objects.ts';
import { type FileWish, objectOf } from '../../kernel/touchedConfig.ts';
import { type Build, readBuilt } from '../../kernel/workspace.ts';
import { plainFile } from '../../sandbox/plain.ts';
import { exists, writeAtomic } from '../../util/files.ts';
import type { Variant } from './variants.ts';

/** Of one variant, after one patch. */
export type State = {
  /** By object, of those that are built there. */
  objects: Record<string, ObjectResult>;
  /** Diagnostics of what is built for all of them. */
  others: Diagnostic[];
  /** Why nothing could be compiled; null if it could. */
  trouble: string | null;
};

/** A state whose objects are in the build directory, so that make rebuilds only what a patch changes. */
export type Live = State & {
  /** What the build directory has in `tokenFile` as long as nothing else is built there. */
  token: string;
};

const tokenFile = 'kiln.elsewhere';

/**
 * Compile the touched files of a tree.
 * @param live the state of the tree that was built there before, and whether its configuration is still the same
 */
export async function compileState(
  build: Build,
  variant: Variant,
  request: KernelRequest,
  wishes: readonly FileWish[],
  before: { live: Live | null; sameConfig: boolean },
  context: Context,
): Promise<Live> {
  const live = before.live?.token === (await readToken(build)) ? before.live : null;
  const isConfigured = live !== null && live.trouble === null && before.sameConfig;
  const nothing: Live = { objects: {}, others: [], trouble: null, token: '' };
  let config: ConfigValues;
  try {
    const fragments = [...request.fragments, variant.fragment];
    config = isConfigured
      ? parseConfig(await readBuilt(build, '.config'))
      : await mergeFragments(build, { ...request, fragments }, context);
  } catch (error) {
    context.signal.throwIfAborted();
    return { ...nothing, trouble: asKilnError(error).message };
  }
  const objects = await objectsOf(build, variant, wishes, config);
  if (objects.length === 0) return nothing;
  const options = { words: variant.words, tool: variant.tool, anew: live === null };
  const compiled = await compileObjects(build, objects, options, context);
  const token = randomBytes(8).toString('hex');
  await writeAtomic(join(build.build, tokenFile), token);
  // Of what was up to date, make says nothing.
  const known = objects.flatMap((object): [string, ObjectResult][] => {
    const result = compiled.objects.get(object) ?? upToDate(object);
    return result ? [[object, variant.tool === null ? result : asAdvice(result)]] : [];
  });
  return { objects: Object.fromEntries(known), others: compiled.others, trouble: compiled.trouble, token };

  function upToDate(object: string): ObjectResult | undefined {
    if (compiled.trouble !== null || compiled.absent.includes(object)) return undefined;
    return live?.objects[object];
  }
}

/** What is no compiler may not understand valid code. */
function asAdvice({ diagnostics }: ObjectResult): ObjectResult {
  return { failed: false, diagnostics: diagnostics.map((one) => ({ ...one, severity: 'warning' })) };
}

async function readToken({ build }: Build): Promise<string> {
  const path = await plainFile(build, tokenFile, 100).catch(() => null);
  return path === null ? '' : readFile(path, 'utf8');
}

/** The objects that a variant builds of what a series touches, in this tree. */
async function objectsOf(
  { source }: Build,
  { arch, as }: Variant,
  wishes: readonly FileWish[],
  config: ConfigValues,
): Promise<string[]> {
  const sources = wishes.flatMap(({ path, source, condition, reason }) => {
    // Only kbuild knows what builds it.
    if (arch !== null && path.startsWith(`arch/${arch}/`) && path.endsWith('.c')) return path;
    if (source === null || condition === null || reason !== null) return [];
    const value = evaluate(parseExpression(condition), (symbol) => config.get(symbol) ?? 'n');
    return (as === 'm' ? value === 1 : value !== 0) ? source : [];
  });
  const found: string[] = [];
  for (const one of new Set(sources))
    if (/\.[cS]$/.test(one) && (await exists(join(source, one)))) found.push(objectOf(one));
  return found;
}
