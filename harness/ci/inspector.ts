// SPDX-License-Identifier: MIT
// Makes the checks of each patch while its job builds: those of its text first, then those that compare two builds.
import { join } from 'node:path';
import { type Context, cacheDirectory } from '../context.ts';
import { type ErrorDetails, KilnError } from '../errors.ts';
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
import { once } from './checks/once.ts';
import { openSource, type Source } from './checks/source.ts';
import { tags } from './checks/tags.ts';
import { Elsewhere } from './elsewhere/elsewhere.ts';
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
  /** Build also what did not build before. */
  again: boolean;
};

/** Of a build, as a KilnError has it. */
type Failure = { message: string; details: ErrorDetails };
const builtBefore = 'an earlier run has seen this; --again builds it once more';

export class PatchInspector implements Inspector, AsyncDisposable {
  /** By the number of the patch, from 1. */
  readonly checks = new Map<number, CheckResult[]>();
  readonly files = new Map<number, TouchedFile[]>();
  readonly #given: Given;
  /** The number of the patch that a job is about; 0 is the base. Of another kernel than the run's, nothing is checked. */
  readonly #numbers: ReadonlyMap<string, number>;
  /** By the number of patches in the tree; 0 is the base. */
  readonly #steps = new Map<number, Step>();
  readonly #elsewhere: Elsewhere;
  #source: Source | null = null;

  constructor(given: Given, { base, steps }: CiPlans) {
    this.#given = given;
    const { whole, wishes } = given;
    this.#elsewhere = new Elsewhere({ patches: this.#patches(), wishes, symbols: whole.symbols });
    this.#numbers = new Map([base, ...steps].map(({ id }, number) => [id, number]));
  }

  async beforeBuild(recorder: JobRecorder, request: KernelRequest): Promise<void> {
    const { series, before, history, again } = this.#given;
    const number = this.#numbers.get(recorder.plan.id) ?? 0;
    const patch = series.patches[number - 1];
    if (patch === undefined) return;
    await recorder.stage('checks', async (context) => {
      const applied = request.tree.patches[before + number - 1]!;
      const key = contentKey('checks 2', ...namesOf(sourceChecks), applied.commit, patch.content);
      const { value: made, cached } = await once(recordOf('checks', key), async () => {
        const source = await this.#open(context);
        return runChecks(sourceChecks, { patch, applied, source }, context);
      });
      const { gitDir } = this.#given.whole;
      const results = [...made, await tags({ patch, applied }, gitDir, history, context)];
      this.checks.set(number, results);
      return { value: undefined, cached, text: describe(results) };
    });
    const failure = again
      ? undefined
      : await readCachedJson<Failure>(recordOf('failures', kernelKey(request)));
    if (failure) throw new KilnError('does-not-build', failure.message, { ...failure, hint: builtBefore });
  }

  /** A compiler's error comes again; any other may be the host's. */
  async buildFailed(request: KernelRequest, error: unknown): Promise<void> {
    if (!(error instanceof KilnError) || error.code !== 'does-not-build' || !error.details.file) return;
    // The log is that of the last build that failed, whichever it was.
    const { log: _, ...details } = error.details;
    const failure: Failure = { message: error.message, details };
    await writeAtomic(recordOf('failures', kernelKey(request)), JSON.stringify(failure));
  }

  /**
   * Which files and functions of the patch were built is known only now: the next build changes the directory. A build
   * whose objects can't be read has none.
   */
  async whileBuilt({ plan }: JobRecorder, request: KernelRequest, { build }: Workspace): Promise<void> {
    const number = this.#numbers.get(plan.id) ?? 0;
    const patch = this.#patches()[number - 1];
    if (patch === undefined) return;
    const { wishes, whole } = this.#given;
    const reasons = new Map(
      wishes.flatMap(({ path, reason }) => (reason === null ? [] : [[path, reason] as const])),
    );
    const { gitDir } = whole;
    const asked = { gitDir, from: `${patch.commit}^`, to: patch.commit, build, reasons };
    const files = await touchedFiles(asked).catch(() => null);
    if (files) await writeAtomic(recordOfFiles(request, patch), JSON.stringify(files));
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
      const key = contentKey(
        'comparison 2',
        ...namesOf(buildChecks),
        parent?.kernel.key ?? '',
        kernel.key,
        ...files,
      );
      const { value: results, cached } = await once(recordOf('checks', key), async () => {
        const source = await this.#open(context);
        const kernels = parent ? { before: vmlinuxOf(parent.kernel), after: vmlinuxOf(kernel) } : null;
        const both = { before: parent?.warnings ?? null, after: warnings };
        return runChecks(buildChecks, { source, kernels, warnings: both }, context);
      });
      this.checks.set(number, [...(this.checks.get(number) ?? []), ...results]);
      return { value: undefined, cached, text: describe(results) };
    });
    await recorder.stage('elsewhere', async (context) => {
      const { warnings } = this.#steps.get(number)!;
      const { result, cached } = await this.#elsewhere.step(number, request, warnings, context);
      if (result) this.checks.set(number, [...(this.checks.get(number) ?? []), result]);
      return {
        value: undefined,
        cached,
        text: result ? describe([result]) : 'compared with the first patch',
      };
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
  return recordOf('files', contentKey('files 1', kernelKey(request), commit));
}

function recordOf(kind: string, key: string): string {
  return join(cacheDirectory(), 'known', kind, `${key}.json`);
}

/** A check that is new is made for patches that are known, too. */
function namesOf(checks: readonly { name: string }[]): string[] {
  return checks.map(({ name }) => name);
}

function vmlinuxOf({ dir }: Kernel): string {
  return join(dir, 'vmlinux');
}

function describe(results: readonly CheckResult[]): string {
  return results
    .map(({ name, status, summary }) => `${name} ${status === 'pass' ? 'ok' : status}: ${summary}`)
    .join('; ');
}
