// SPDX-License-Identifier: MIT
// Makes the checks of each patch while its job builds: those of its text first, then those that compare two builds.
import { join } from 'node:path';
import { type Context, cacheDirectory } from '../context.ts';
import type { BuiltKernel } from '../job/built.ts';
import type { JobRecorder } from '../job/recorder.ts';
import type { Inspector } from '../job/stages.ts';
import type { Diagnostic } from '../kernel/diagnostics.ts';
import { type Kernel, type KernelRequest, kernelKey, readWarnings } from '../kernel/kernel.ts';
import { touchedFiles } from '../kernel/touched.ts';
import type { FileWish } from '../kernel/touchedConfig.ts';
import type { Workspace } from '../kernel/workspace.ts';
import type { CheckResult, TouchedFile } from '../schema.ts';
import type { Series } from '../series/series.ts';
import type { AppliedPatch, Tree } from '../tree/tree.ts';
import { readCachedJson, writeAtomic } from '../util/files.ts';
import { contentKey } from '../util/hash.ts';
import { plural } from '../util/plural.ts';
import type { History } from './checks/fixes.ts';
import { buildChecks, runChecks, sourceChecks } from './checks/index.ts';
import { openSource, type Source } from './checks/source.ts';
import type { CiPlans } from './plans.ts';

/** What a job built, for the comparison with the next one. */
type Step = { warnings: Diagnostic[]; kernel: Kernel };

/** What is checked. */
export type Given = {
  series: Series;
  /** The base with all patches that apply. */
  whole: Tree;
  /** Patches of other series in it, before those of this one. */
  before: number;
  /** Where `Fixes:` is looked up; null: nowhere. */
  history: History | null;
  /** What was asked of the configuration for the files that it touches. */
  wishes: readonly FileWish[];
};

export class PatchInspector implements Inspector, AsyncDisposable {
  /** By the number of the patch, from 1. */
  readonly checks = new Map<number, CheckResult[]>();
  readonly files = new Map<number, TouchedFile[]>();
  readonly #given: Given;
  /** The number of the patch that a job is about; 0 is the base. Of another kernel than the run's, nothing is checked. */
  readonly #numbers: ReadonlyMap<string, number>;
  /** By the number of patches in the tree; 0 is the base. */
  readonly #steps = new Map<number, Step>();
  #source: Source | null = null;

  constructor(given: Given, { base, steps }: CiPlans) {
    this.#given = given;
    this.#numbers = new Map([base, ...steps].map(({ id }, number) => [id, number]));
  }

  async beforeBuild(recorder: JobRecorder, tree: Tree): Promise<void> {
    const { series, before, history } = this.#given;
    const number = this.#numbers.get(recorder.plan.id) ?? 0;
    const patch = series.patches[number - 1];
    if (patch === undefined) return;
    await recorder.stage('checks', async (context) => {
      const applied = tree.patches[before + number - 1]!;
      const key = contentKey('checks 1', applied.commit, patch.content, JSON.stringify(history));
      const record = join(context.cache, 'known', 'checks', `${key}.json`);
      const known = await readCachedJson<CheckResult[]>(record);
      const results =
        known ??
        (await runChecks(
          sourceChecks,
          { patch, applied, source: await this.#open(context), history },
          context,
        ));
      if (!known) await writeAtomic(record, JSON.stringify(results));
      this.checks.set(number, results);
      return { value: undefined, cached: known !== undefined, text: describe(results) };
    });
  }

  /** Which files and functions of the patch were built is known only now: the next build changes the directory. */
  async whileBuilt({ plan }: JobRecorder, request: KernelRequest, { build }: Workspace): Promise<void> {
    const number = this.#numbers.get(plan.id) ?? 0;
    const patch = this.#patches()[number - 1];
    if (patch === undefined) return;
    const { wishes, whole } = this.#given;
    const reasons = new Map(
      wishes.flatMap(({ path, reason }) => (reason === null ? [] : [[path, reason] as const])),
    );
    const { gitDir } = whole;
    const files = await touchedFiles({ gitDir, from: `${patch.commit}^`, to: patch.commit, build, reasons });
    await writeAtomic(recordOfFiles(request, patch), JSON.stringify(files));
  }

  async afterBuild(recorder: JobRecorder, { kernel, request }: BuiltKernel): Promise<void> {
    const number = this.#numbers.get(recorder.plan.id);
    if (number === undefined) return;
    await recorder.stage('comparison', async (context) => {
      const files = [...new Set(this.#patches().flatMap((patch) => patch.files))];
      const warnings = await readWarnings(request, files.toSorted(), context);
      this.#steps.set(number, { warnings, kernel });
      const patch = this.#patches()[number - 1];
      const touched = patch && (await readCachedJson<TouchedFile[]>(recordOfFiles(request, patch)));
      if (touched) this.files.set(number, touched);
      if (number === 0) return { value: undefined, cached: false, text: plural(warnings.length, 'warning') };
      const parent = this.#steps.get(number - 1);
      const results = await runChecks(
        buildChecks,
        {
          source: await this.#open(context),
          warnings: { before: parent?.warnings ?? null, after: warnings },
          kernels: parent ? { before: vmlinuxOf(parent.kernel), after: vmlinuxOf(kernel) } : null,
        },
        context,
      );
      this.checks.set(number, [...(this.checks.get(number) ?? []), ...results]);
      return { value: undefined, cached: false, text: describe(results) };
    });
  }

  /** Of the series, as commits. */
  #patches(): AppliedPatch[] {
    return this.#given.whole.patches.slice(this.#given.before);
  }

  async #open(context: Context): Promise<Source> {
    const { gitDir } = this.#given.whole;
    this.#source ??= await openSource({ gitDir, patches: this.#patches() }, context);
    return this.#source;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source?.[Symbol.asyncDispose]();
  }
}

function recordOfFiles(request: KernelRequest, { commit }: AppliedPatch): string {
  const key = contentKey('files 1', kernelKey(request), commit);
  return join(cacheDirectory(), 'known', 'files', `${key}.json`);
}

function vmlinuxOf({ dir }: Kernel): string {
  return join(dir, 'vmlinux');
}

function describe(results: readonly CheckResult[]): string {
  return results
    .map(({ name, status, summary }) => `${name} ${status === 'pass' ? 'ok' : status}: ${summary}`)
    .join('; ');
}
