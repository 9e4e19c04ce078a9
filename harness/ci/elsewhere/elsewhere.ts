// SPDX-License-Identifier: MIT
// Compiles the touched files elsewhere, patch by patch.
import { join } from 'node:path';
import type { Context } from '../../context.ts';
import type { Diagnostic } from '../../kernel/diagnostics.ts';
import { asLine, lastWishes } from '../../kernel/fragment.ts';
import type { KernelRequest } from '../../kernel/kernel.ts';
import { type FileWish, whyNoCode } from '../../kernel/touchedConfig.ts';
import { openWorkspace, type Workspace } from '../../kernel/workspace.ts';
import type { CheckResult } from '../../schema.ts';
import type { AppliedPatch } from '../../tree/tree.ts';
import { readCachedJson, writeAtomic } from '../../util/files.ts';
import { contentKey } from '../../util/hash.ts';
import { compareElsewhere } from '../checks/elsewhere.ts';
import { compileState, type Live, type State } from './state.ts';
import { findVariants, type Variant, type Variants } from './variants.ts';

type Given = {
  /** Of the series, in order. */
  patches: readonly AppliedPatch[];
  wishes: readonly FileWish[];
  /** Symbols that the whole series defines. */
  symbols: readonly string[];
};

/** Of one variant, as far as the run has come. */
type Progress = {
  /** By the number of the patch; 0 is the base. */
  states: Map<number, State>;
  live: { number: number; state: Live } | null;
};

export class Elsewhere {
  readonly #given: Given;
  readonly #progress = new Map<string, Progress>();
  #variants: Variants | null = null;

  constructor(given: Given) {
    this.#given = given;
  }

  /**
   * Compile the touched files of the tree after a patch, and compare with the tree before it. Call it for the base
   * (number 0) first, then for each patch that builds; nothing else may build meanwhile.
   * @param ordinary the warnings of the run's own kernel, which its own check reports
   * @returns null for the base. `cached`: nothing was compiled
   */
  async step(
    number: number,
    request: KernelRequest,
    ordinary: readonly Diagnostic[],
    context: Context,
  ): Promise<{ result: CheckResult | null; cached: boolean }> {
    const { patches } = this.#given;
    this.#variants ??= await this.#find(request, context);
    const { variants, missing } = this.#variants;
    const cached = await this.#bring(number, request, variants, context);
    const patch = patches[number - 1];
    if (patch === undefined) return { result: null, cached };
    const sources = this.#sourcesOf(patch);
    const isModular = this.#given.wishes.some(
      ({ path, tristate }) => tristate !== null && patch.files.includes(path),
    );
    const meant = variants.filter(({ as }) => as !== 'm' || isModular);
    const states = meant.map((variant) => {
      const { states: all } = this.#of(variant);
      return { name: variant.name, before: all.get(number - 1) ?? null, after: all.get(number) ?? null };
    });
    return { result: compareElsewhere({ sources, states, missing, ordinary }), cached };
  }

  async #find(request: KernelRequest, { signal }: Context): Promise<Variants> {
    const before = new Set(request.tree.symbols);
    const { symbols, wishes } = this.#given;
    const ownOptions = symbols.filter((symbol) => !before.has(symbol));
    return findVariants({ ...request, wishes, ownOptions }, signal);
  }

  #of({ name }: Variant): Progress {
    const found = this.#progress.get(name) ?? { states: new Map(), live: null };
    this.#progress.set(name, found);
    return found;
  }

  /** The C files of a patch; for a header, one that includes it. */
  #sourcesOf({ files }: AppliedPatch): string[] {
    const own = this.#given.wishes.filter(({ path, isCode }) => isCode && files.includes(path));
    return [...new Set(own.map(({ path, source }) => source ?? path))];
  }

  /** Have the states of a tree, from the cache as far as they are there. Returns whether all are. */
  async #bring(
    number: number,
    request: KernelRequest,
    variants: readonly Variant[],
    context: Context,
  ): Promise<boolean> {
    const { patches } = this.#given;
    const isCode = (path: string) =>
      whyNoCode(path) === null || /(?:Kconfig|Makefile|Kbuild)[^/]*$/.test(path);
    const patch = patches[number - 1];
    const open: Variant[] = [];
    for (const variant of variants) {
      const { states } = this.#of(variant);
      const before = states.get(number - 1);
      const known =
        patch && before && !patch.files.some(isCode)
          ? before
          : await readCachedJson<State>(this.#recordOf(variant, request, context));
      if (known) states.set(number, known);
      else open.push(variant);
    }
    if (open.length === 0) return true;
    context.progress(`compiling touched files elsewhere: ${open.map(({ name }) => name).join(', ')}`);
    await using workspace = await openWorkspace(request.tree, request.buildName, request.toolchain, context);
    const done = await Promise.allSettled(
      open.map((variant) => this.#compile(number, request, variant, workspace, context)),
    );
    for (const one of done) if (one.status === 'rejected') throw one.reason;
    return false;
  }

  async #compile(
    number: number,
    request: KernelRequest,
    variant: Variant,
    workspace: Workspace,
    context: Context,
  ): Promise<void> {
    const progress = this.#of(variant);
    const build = await workspace.beside(variant.buildName, variant.toolchain);
    const between = this.#given.patches.slice(progress.live?.number ?? 0, number);
    const sameConfig = !between.some(({ files }) => files.some((path) => /Kconfig/.test(path)));
    const before = { live: progress.live?.state ?? null, sameConfig };
    const live = await compileState(build, variant, request, this.#given.wishes, before, context);
    const { objects, others, trouble } = live;
    const state: State = { objects, others, trouble };
    progress.live = { number, state: live };
    progress.states.set(number, state);
    await writeAtomic(this.#recordOf(variant, request, context), JSON.stringify(state));
  }

  #recordOf(variant: Variant, { tree, fragments, defaults }: KernelRequest, { cache }: Context): string {
    const { name, words, toolchain, fragment } = variant;
    const lines = lastWishes([...fragments, fragment]).map(asLine);
    const wishes = this.#given.wishes.map(({ path, source, condition, reason }) => [
      path,
      source,
      condition,
      reason,
    ]);
    const key = contentKey(
      'elsewhere 1',
      tree.content,
      JSON.stringify([name, words, toolchain.id, lines, defaults, wishes]),
    );
    return join(cache, 'known', 'warnings', `${key}.json`);
  }
}
