// SPDX-License-Identifier: MIT
// One job through the stages up to its image: series → tree → config → kernel → image.
import { join } from 'node:path';
import type { Context, Sandbox } from '../context.ts';
import { KilnError } from '../errors.ts';
import { type Accelerator, chooseAccelerator } from '../guest/accelerator.ts';
import * as arch from '../guest/arch/x86_64.ts';
import { describeLacking, findLacking } from '../guest/features.ts';
import { type Image, type ImageRequest, prepareImage } from '../image/image.ts';
import { isExplained } from '../kernel/compile.ts';
import { findDisagreements, findOverruled } from '../kernel/config.ts';
import type { Configured as Configuration } from '../kernel/configure.ts';
import { formatDiagnostic } from '../kernel/diagnostics.ts';
import type { Fragment } from '../kernel/fragment.ts';
import {
  buildKernel,
  checkConfig,
  findKernel,
  hasConfig,
  type Kernel,
  type KernelRequest,
  kernelKey,
  readConfigured,
} from '../kernel/kernel.ts';
import { findToolchain, type Toolchain } from '../kernel/toolchain.ts';
import type { Workspace } from '../kernel/workspace.ts';
import { paths } from '../paths.ts';
import { chooseSandbox } from '../sandbox/sandbox.ts';
import type { JobResult } from '../schema.ts';
import { describeChoice, listSeries, type Series } from '../series/series.ts';
import { leftOutOf } from '../suite/suite.ts';
import { type Base, prepareBase } from '../tree/base.ts';
import { applySeries, applyUpTo, countPatches, type Tree } from '../tree/tree.ts';
import { requireLinux } from '../tree/version.ts';
import { plural } from '../util/plural.ts';
import type { Built, BuiltKernel, Next } from './built.ts';
import { countGenerations, leaveOut, type Plan, type PlannedSuite } from './plan.ts';
import type { JobRecorder, StageResult } from './recorder.ts';
import { readPlanned } from './series.ts';
import { asPreferred, readWishes, type Wishes } from './wishes.ts';

export type Extras = {
  /** A host path, packed into the image for interactive use. */
  busybox?: string;
  /** Where the builds of a foreign series go that share a directory; see Sandbox. */
  home?: string | undefined;
  /** Called while nothing else builds. */
  inspector?: Inspector | undefined;
};

/** Looks at a job under way. */
export type Inspector = {
  /** Before the kernel is built. What it throws ends the job. */
  beforeBuild: (recorder: JobRecorder, request: KernelRequest) => Promise<void>;
  /** When the objects are there. Not called for a kernel that is in the cache. */
  whileBuilt: (recorder: JobRecorder, request: KernelRequest, workspace: Workspace) => Promise<void>;
  afterBuild: (recorder: JobRecorder, built: BuiltKernel) => Promise<void>;
  buildFailed: (request: KernelRequest, error: unknown) => Promise<void>;
};

/** The stages up to the image. */
export async function build(recorder: JobRecorder, extras: Extras = {}): Promise<Built> {
  const { job, plan } = recorder;
  const wishes = await readWishes(plan);
  const base = await recorder.stage('base', (context) => stageBase(plan, job, context));
  const tree = await recorder.stage('series', (context) => stageSeries(plan, base, job, context));
  const configured = await recorder.stage('config', (context) =>
    stageConfig(plan, wishes, tree, job, context),
  );
  recorder.sandbox = { ...configured.sandbox, ...(extras.home === undefined ? {} : { home: extras.home }) };
  const { fragments, defaults, buildName, compiler: toolchain } = configured;
  const { checksWarnings } = plan;
  const request: KernelRequest = { tree, fragments, defaults, buildName, toolchain, checksWarnings };
  await extras.inspector?.beforeBuild(recorder, request);
  const kernel = await recorder.stage('kernel', (context) =>
    stageKernel(recorder, base, request, configured, extras.inspector, context),
  );
  await extras.inspector?.afterBuild(recorder, { base, tree, kernel, request });
  const { image, next } = await recorder.stage('image', (context) =>
    stageImage(plan, configured, kernel, extras, job, context),
  );
  const { accelerator, bootWords, run } = configured;
  return { base, tree, kernel, image, next, accelerator, bootWords, run };
}

async function stageBase(plan: Plan, job: JobResult, context: Context): Promise<StageResult<Base>> {
  const { base, cached } = await prepareBase(plan.ask.base, context);
  await requireLinux(base, context);
  const { source, version, sha256, commit } = base;
  job.base = { source, version, sha256, commit };
  return { value: base, cached, text: version };
}

async function stageSeries(
  plan: Plan,
  base: Base,
  job: JobResult,
  context: Context,
): Promise<StageResult<Tree>> {
  const series = await readPlanned(plan, context.signal);
  job.series = series.map(({ name, source, revision, missing, leftOut, patches }) => ({
    name,
    source,
    revision,
    missing,
    left_out: leftOut.map(({ subject, messageId, reason }) => ({ subject, message_id: messageId, reason })),
    patches: patches.map(({ file }) => ({ file, subject: '', commit: null })),
  }));
  for (const { name, warnings } of series)
    for (const warning of warnings) context.note('warn', `${name}: ${warning}`);
  const asked = series.slice(plan.with.length);
  const added = series.slice(0, plan.with.length);
  const { upTo } = plan.ask;
  if (upTo !== null && upTo > countPatches(asked))
    throw new KilnError('usage', `--up-to ${upTo}: the series has ${plural(countPatches(asked), 'patch')}`);
  const applied =
    upTo === null
      ? applySeries(base, series, context)
      : applyUpTo(base, series, { before: added.length, count: upTo }, context);
  const { tree, cached } = await applied.catch((error: unknown) => {
    throw mentionAdded(error, added);
  });
  for (const warning of tree.warnings) context.note('warn', warning);
  job.keys.tree = tree.key;
  // Two series may have one name: two ranges of a repository.
  let at = 0;
  for (const one of job.series) {
    const own = tree.patches.slice(at, at + one.patches.length);
    one.patches = own.map(({ file, subject, commit }) => ({ file, subject, commit }));
    at += own.length;
  }
  const all = describeSeries(asked, added);
  return { value: tree, cached, text: upTo === null ? all : `the first ${upTo} of ${all}` };
}

/** The series line of the output. */
function describeSeries(asked: Series[], added: Series[]): string {
  if (asked.length + added.length === 0) return 'none: the base as it is';
  const names = (series: Series[]) => series.map(describeChoice).join(', ');
  const count = countPatches(asked);
  const first = count === 0 ? 'none' : `${plural(count, 'patch')} of ${names(asked)}`;
  return added.length === 0 ? first : `${first}, with ${names(added)}`;
}

/** A patch that does not apply on top of the series of --with may apply without them. */
function mentionAdded(error: unknown, added: Series[]): unknown {
  if (!(error instanceof KilnError) || error.code !== 'does-not-apply') return error;
  if (added.length === 0 || added.some(({ name }) => name === error.details.series)) return error;
  const names = added.map(({ name }) => name).join(', ');
  return new KilnError(error.code, error.message, {
    hint: `${error.hint}; --with applied ${names} before it`,
    details: error.details,
    cause: error,
  });
}

type Configured = Pick<Wishes, 'bootWords' | 'buildName' | 'defaults'> & {
  fragments: Fragment[];
  /** Those of --tests. */
  given: Fragment[];
  /** Those whose wishes have to come true. */
  checked: Fragment[];
  run: PlannedSuite[];
  accelerator: Accelerator;
  /** The kernel's. */
  compiler: Toolchain;
  /** The test programs'. */
  toolchain: Toolchain;
  sandbox: Sandbox;
};

async function stageConfig(
  plan: Plan,
  wishes: Wishes,
  tree: Tree,
  job: JobResult,
  context: Context,
): Promise<StageResult<Configured>> {
  for (const warning of wishes.warnings) context.note('warn', warning);
  for (const note of wishes.notes) context.note('info', note);
  const wanted = (planned: PlannedSuite) =>
    wishes.suites
      .get(planned)!
      .wishes.filter(({ need, value }) => need === 'needed' && value !== 'n')
      .map(({ symbol }) => symbol);
  const { run, leftOut } = leaveOut(plan.suites, wanted, new Set(tree.symbols));
  job.left_out = leftOut;
  const [first, ...more] = leftOut;
  if (first && more.length === 0) context.note('info', `suite ${first.suite} is left out: ${first.reason}`);
  if (more.length > 0)
    context.note(
      'info',
      `suites left out, because the tree does not have what their series define: ${leftOut.map(({ suite }) => suite).join(', ')}`,
    );
  const [others, chosen] = [true, false].map((configOnly) =>
    run.filter((planned) => planned.configOnly === configOnly),
  ) as [PlannedSuite[], PlannedSuite[]];
  const fragmentOf = (planned: PlannedSuite) => wishes.suites.get(planned)!;
  const { own, asked } = wishes;
  const ofSuites = chosen.map(fragmentOf);
  const checked = [...own, ...ofSuites, ...asked];
  const fragments = [
    ...own,
    ...others.map((planned) => asPreferred(fragmentOf(planned))),
    ...ofSuites,
    ...(plan.touched === null ? [] : [asPreferred(plan.touched)]),
    ...asked,
  ];
  for (const { text } of findDisagreements(fragments))
    context.note('warn', `suites disagree, the last wins: ${text}`);
  for (const text of findOverruled(ofSuites, asked)) context.note('warn', text);
  const [compiler, toolchain] = await Promise.all([
    findToolchain(plan.ask.compiler, context.signal),
    findToolchain(undefined, context.signal),
  ]);
  job.compiler = compiler.compiler;
  const accelerator = await findAccelerator(plan, chosen, context);
  job.accelerator = accelerator;
  const sandbox = await findSandbox(plan, job, context);
  const given = plan.ask.tests.length === 0 ? [] : ofSuites;
  const { bootWords, buildName, defaults, label } = wishes;
  const value: Configured = {
    ...{ fragments, checked, given, bootWords, buildName, defaults },
    ...{ run: chosen, accelerator, compiler, toolchain, sandbox },
  };
  const by = compiler.id === toolchain.id ? '' : `; ${compiler.compiler}`;
  return { value, cached: true, text: `${label}${by}; ${accelerator.name} (${accelerator.reason})` };
}

/** The accelerator, and what the processor lacks that a test needs. */
async function findAccelerator(
  plan: Plan,
  suites: readonly PlannedSuite[],
  context: Context,
): Promise<Accelerator> {
  const accelerator = await chooseAccelerator(plan.ask.accel, paths.images, context);
  const tests = suites.flatMap((planned) => planned.tests);
  const lacks = await findLacking(
    accelerator,
    tests.flatMap(({ settings }) => settings.needs_cpu ?? []),
    context.signal,
  );
  if (lacks.length === 0) return accelerator;
  const without = tests.filter(({ settings }) =>
    settings.needs_cpu?.some((feature) => lacks.includes(feature)),
  );
  context.note('info', describeLacking(accelerator, lacks, without.length));
  return { ...accelerator, lacks };
}

/** A series that is neither in patches/ nor a mutant of a suite is foreign. */
async function findSandbox(plan: Plan, job: JobResult, context: Context): Promise<Sandbox> {
  const { patches, guestTests } = plan.ask.project;
  const kept = await listSeries(patches);
  const isMutant = (source: string) => guestTests !== null && source.startsWith(`${guestTests}/`);
  const foreign = plan.series.some((source) => !kept.includes(source) && !isMutant(source));
  const sandbox = await chooseSandbox(plan.ask.sandbox, foreign, context.signal);
  const on = sandbox.flags !== null;
  job.sandbox = { on, reason: sandbox.reason };
  if (!on)
    context.note(
      'warn',
      `what the series and the tests run at build time is not confined, there is no sandbox: ${sandbox.reason}`,
    );
  return sandbox;
}

async function stageKernel(
  recorder: JobRecorder,
  base: Base,
  request: KernelRequest,
  { checked, given }: Pick<Configured, 'checked' | 'given'>,
  inspector: Inspector | undefined,
  context: Context,
): Promise<StageResult<Kernel>> {
  const { job } = recorder;
  const { tree, checksWarnings } = request;
  const found = await findSuitable(request, given, context);
  job.keys.kernel = found?.key ?? kernelKey(request);
  const check = (configured: Configuration) => {
    for (const note of checkConfig(configured, checked, request.fragments)) context.note('info', note);
  };
  if (found) check(await readConfigured(found));
  const kernel =
    found ??
    (await buildKernel(request, context, {
      onConfigured: check,
      onBuilt: (workspace) => inspector?.whileBuilt(recorder, request, workspace) ?? Promise.resolve(),
    }).catch(async (error: unknown) => {
      await inspector?.buildFailed(request, error);
      throw (await isBaseToBlame(error, request, base, context)) ?? error;
    }));
  const { release, key } = kernel;
  const warnings = kernel.warnings.map(({ file, line, text, patch }) => ({ file, line, text, patch }));
  job.kernel = { release, key, warnings };
  for (const warning of kernel.warnings) context.note('warn', formatDiagnostic(warning));
  const count =
    checksWarnings && tree.patches.length > 0
      ? `, ${plural(warnings.length, 'W=1 warning')} in what the series touches`
      : '';
  return { value: kernel, cached: found !== undefined, text: `${release}${count}` };
}

/** If no patch is known to have broken the build, build the base alone. */
async function isBaseToBlame(
  error: unknown,
  request: KernelRequest,
  base: Base,
  context: Context,
): Promise<KilnError | undefined> {
  if (!(error instanceof KilnError) || error.code !== 'does-not-build') return undefined;
  const { patch, log, output } = error.details;
  const isOfMake = (log ?? output) !== undefined && !isExplained(error);
  if (request.tree.patches.length === 0 || patch !== undefined || !isOfMake) return undefined;
  context.note('info', 'the kernel does not build, and nothing names a patch: building the base alone');
  const { tree } = await applySeries(base, [], context);
  // The base has no symbols of the series.
  const fragments = request.fragments.map(asPreferred);
  // It has no patches whose files would be compiled with W=1: any run's kernel of the base will do.
  const alone = await buildKernel({ ...request, tree, fragments, checksWarnings: true }, context).then(
    () => null,
    (cause: unknown) => cause,
  );
  if (alone === null)
    return new KilnError('does-not-build', `${error.message}\n  the base alone builds: the series broke it`, {
      hint: error.hint,
      details: error.details,
      cause: error,
    });
  if (!(alone instanceof KilnError) || alone.code !== 'does-not-build') throw alone;
  return new KilnError(
    'does-not-build',
    `the base does not build by itself, without the series: ${alone.message}`,
    {
      hint: ['choose another --base or config, or add a fix with --with', alone.hint]
        .filter(Boolean)
        .join('; '),
      details: alone.details,
      cause: alone,
    },
  );
}

/** A kernel in the cache. One without the suites of --tests will do if its configuration has all that they need. */
async function findSuitable(
  request: KernelRequest,
  given: readonly Fragment[],
  context: Context,
): Promise<Kernel | undefined> {
  const exact = await findKernel(kernelKey(request), context);
  if (exact || given.length === 0) return exact;
  const fragments = request.fragments.filter((fragment) => !given.includes(fragment));
  const kernel = await findKernel(kernelKey({ ...request, fragments }), context);
  return kernel && (await hasConfig(kernel, given)) ? kernel : undefined;
}

async function stageImage(
  plan: Plan,
  { run, toolchain }: Configured,
  kernel: Kernel,
  { busybox }: Extras,
  job: JobResult,
  context: Context,
): Promise<StageResult<{ image: Image; next: Next }>> {
  const suites = run.map(({ suite }) => suite);
  const chosen = run.filter(({ tests }) => tests.length > 0);
  for (const text of chosen.flatMap(({ suite }) => leftOutOf(suite))) context.note('warn', text);
  const request = {
    kernel,
    suites,
    toolchain,
    imagesDir: paths.images,
    ...(busybox === undefined ? {} : { busybox }),
  };
  const { image, cached } = await prepareImage(request, context);
  job.keys.image = image.key;
  const count = suites.reduce((sum, { programs }) => sum + programs.length, 0);
  const images = await prepareNextImages(plan, run, request, context);
  const next = {
    kernels: plan.ask.next.map((dir) => join(dir === 'same' ? kernel.dir : dir, arch.image)),
    images,
  };
  return { value: { image, next }, cached, text: `agent and ${plural(count, 'test program')}` };
}

async function prepareNextImages(
  plan: Plan,
  run: PlannedSuite[],
  request: ImageRequest,
  context: Context,
): Promise<Next['images']> {
  const images: Next['images'] = new Map();
  for (const { suite, tests } of run)
    for (const program of suite.programs) {
      const own = tests.filter((test) => test.program === program.name);
      if (!own.some(({ settings }) => countGenerations(plan, settings) > 1)) continue;
      const small = { ...request, suites: [suite], only: program.name };
      images.set(`${suite.name}/${program.name}`, (await prepareImage(small, context)).image.path);
    }
  return images;
}
