// SPDX-License-Identifier: MIT
// One job through the stages up to its image: series → tree → config → kernel → image.
import { join } from 'node:path';
import type { Context, Sandbox } from '../context.ts';
import { KilnError } from '../errors.ts';
import { type Accelerator, chooseAccelerator } from '../guest/accelerator.ts';
import * as arch from '../guest/arch/x86_64.ts';
import { type Image, type ImageRequest, prepareImage } from '../image/image.ts';
import {
  type Fragment,
  findDisagreements,
  readBootWords,
  readFragments,
  suiteFragment,
} from '../kernel/config.ts';
import { formatDiagnostic } from '../kernel/diagnostics.ts';
import { parseConfig } from '../kernel/dotConfig.ts';
import { buildKernel, findKernel, type Kernel, kernelKey } from '../kernel/kernel.ts';
import { findToolchain, type Toolchain } from '../kernel/toolchain.ts';
import { paths } from '../paths.ts';
import { chooseSandbox } from '../sandbox/sandbox.ts';
import type { JobResult } from '../schema.ts';
import { describeChoice, listSeries, readSeries, type Series } from '../series/series.ts';
import { leftOutOf } from '../suite/suite.ts';
import { type Base, prepareBase } from '../tree/base.ts';
import { applySeries, type Tree } from '../tree/tree.ts';
import { plural } from '../util/plural.ts';
import type { Built, Next } from './built.ts';
import { countGenerations, leaveOut, type Plan, type PlannedSuite } from './plan.ts';
import type { JobRecorder, StageResult } from './recorder.ts';

/** The stages up to the image. `busybox`: a host path, packed into the image for interactive use. */
export async function build(recorder: JobRecorder, extras: { busybox?: string } = {}): Promise<Built> {
  const { job, plan } = recorder;
  const base = await recorder.stage('base', (context) => stageBase(plan, job, context));
  const tree = await recorder.stage('series', (context) => stageSeries(plan, base, job, context));
  const configured = await recorder.stage('config', (context) => stageConfig(plan, tree, job, context));
  recorder.sandbox = configured.sandbox;
  const kernel = await recorder.stage('kernel', (context) =>
    stageKernel(plan, tree, configured, job, context),
  );
  const { image, next } = await recorder.stage('image', (context) =>
    stageImage(plan, configured, kernel, extras, job, context),
  );
  const { accelerator, bootWords, run } = configured;
  return { base, tree, kernel, image, next, accelerator, bootWords, run };
}

async function stageBase(plan: Plan, job: JobResult, context: Context): Promise<StageResult<Base>> {
  const { base, cached } = await prepareBase(plan.ask.base, context);
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
  const series = await Promise.all(
    plan.series.map((source) =>
      readSeries(source, paths.patches, {
        revision: plan.with.includes(source) ? undefined : (plan.ask.revision ?? undefined),
        allowIncomplete: plan.ask.allowIncomplete,
        inbox: plan.ask.inbox ?? undefined,
        signal: context.signal,
      }),
    ),
  );
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
  const { tree, cached } = await applySeries(base, series, context).catch((error: unknown) => {
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
  return { value: tree, cached, text: describeSeries(asked, added) };
}

/** The series line of the output. */
function describeSeries(asked: Series[], added: Series[]): string {
  if (asked.length + added.length === 0) return 'none: the base as it is';
  const names = (series: Series[]) => series.map(describeChoice).join(', ');
  const count = asked.reduce((sum, { patches }) => sum + patches.length, 0);
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

type Configured = {
  fragments: Fragment[];
  bootWords: string;
  run: PlannedSuite[];
  accelerator: Accelerator;
  toolchain: Toolchain;
  sandbox: Sandbox;
};

async function stageConfig(
  plan: Plan,
  tree: Tree,
  job: JobResult,
  context: Context,
): Promise<StageResult<Configured>> {
  const wanted = (suite: PlannedSuite['suite']) =>
    [...parseConfig(suite.config)].filter(([, value]) => value !== 'n').map(([symbol]) => symbol);
  const { run, leftOut } = leaveOut(plan.suites, wanted, new Set(tree.symbols));
  job.left_out = leftOut;
  for (const { suite, reason } of leftOut) context.note('info', `suite ${suite} is left out: ${reason}`);
  const suites = run
    .map(({ suite }) => suiteFragment(suite.name, suite.config))
    .filter(({ text }) => text !== '');
  const fragments = [...(await readFragments(paths.kernelConfig, plan.ask.config)), ...suites];
  for (const { text } of findDisagreements(fragments))
    context.note('warn', `suites disagree, the last wins: ${text}`);
  const toolchain = await findToolchain(context.signal);
  const accelerator = await chooseAccelerator(plan.ask.accel, paths.images, context);
  job.accelerator = accelerator;
  const sandbox = await findSandbox(plan, job, context);
  const names = ['base', arch.name, ...plan.ask.config].join(' + ');
  const bootWords = await readBootWords(paths.kernelConfig, plan.ask.config);
  const value = { fragments, bootWords, run, accelerator, toolchain, sandbox };
  return { value, cached: true, text: `${names}; ${accelerator.name} (${accelerator.reason})` };
}

/** A series that is not in patches/ is foreign. */
async function findSandbox(plan: Plan, job: JobResult, context: Context): Promise<Sandbox> {
  const kept = await listSeries(paths.patches);
  const foreign = plan.series.some((source) => !kept.includes(source));
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
  plan: Plan,
  tree: Tree,
  { fragments, toolchain }: Configured,
  job: JobResult,
  context: Context,
): Promise<StageResult<Kernel>> {
  const buildName = plan.ask.config.toSorted().join('+') || 'default';
  const request = { tree, fragments, toolchain, buildName };
  job.keys.kernel = kernelKey(request);
  const found = await findKernel(job.keys.kernel, context);
  const kernel = found ?? (await buildKernel(request, context));
  const { release, key } = kernel;
  const warnings = kernel.warnings.map(({ file, line, text, patch }) => ({ file, line, text, patch }));
  job.kernel = { release, key, warnings };
  for (const warning of kernel.warnings) context.note('warn', formatDiagnostic(warning));
  const count =
    tree.patches.length > 0 ? `, ${plural(warnings.length, 'W=1 warning')} in what the series touches` : '';
  return { value: kernel, cached: found !== undefined, text: `${release}${count}` };
}

async function stageImage(
  plan: Plan,
  { run, toolchain }: Configured,
  kernel: Kernel,
  extras: { busybox?: string },
  job: JobResult,
  context: Context,
): Promise<StageResult<{ image: Image; next: Next }>> {
  const suites = run.map(({ suite }) => suite);
  const chosen = run.filter(({ tests }) => tests.length > 0);
  for (const text of chosen.flatMap(({ suite }) => leftOutOf(suite))) context.note('warn', text);
  const request = { kernel, suites, toolchain, imagesDir: paths.images, ...extras };
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
