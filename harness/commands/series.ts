// SPDX-License-Identifier: MIT
import { type Context, cacheDirectory } from '../context.ts';
import { asKilnError, type ErrorCode, type ErrorDetails, exits, KilnError } from '../errors.ts';
import { findProject } from '../project.ts';
import { inspectSeries, type Reading, type Series } from '../series/series.ts';
import { prepareBase } from '../tree/base.ts';
import { applySeries, type Tree } from '../tree/tree.ts';
import { plural } from '../util/plural.ts';
import { printable } from '../util/printable.ts';
import {
  addSeriesOptions,
  baseSources,
  projectOption,
  refuseIdleInbox,
  type SeriesOptions,
  seriesSources,
} from './ask.ts';
import type { Cli } from './command.ts';

type Options = SeriesOptions & { json?: boolean; on?: string; project?: string };

export function registerSeries({ program, run, signal }: Cli): void {
  addSeriesOptions(program.command('series'))
    .description('show which patches of a series would be tested, without a build')
    .argument('<src>', seriesSources)
    .option(
      '--on <base>',
      `also apply the series to this base, and show git's hash of the tree: ${baseSources}`,
    )
    .option('--json', 'print JSON')
    .addOption(projectOption())
    .addHelpText('after', examples)
    .action(run((source: string, options: Options) => seriesCommand(source, options, signal)));
}

const examples = `
Examples:
  kiln series thread.mbox                       the patches of the newest complete version, and what is left out
  kiln series thread.mbox --revision 1          the patches of another version
  kiln series thread.mbox --on git:linux#v6.12  git's hash of the resulting tree, or why the series does not apply
  kiln series git:linux#v6.12..work             a range of commits
  kiln series lore:20260101120000.1-1-ann@example.org --inbox ~/lore/linux-mm`;

/** `kiln series`: what the other commands would test. A refusal is shown with what was found, and has its exit code. */
async function seriesCommand(source: string, options: Options, signal: AbortSignal): Promise<number> {
  if (options.json) {
    const { json, exitCode } = await describeAsJson(source, options, signal);
    process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
    return exitCode;
  }
  const found = await inspect(source, options, signal);
  const { series, refusal, tree } = await applyOrRefuse(found, {
    on: options.on,
    cache: cacheDirectory(),
    signal,
  });
  process.stdout.write(printable(asText(series, tree)));
  if (refusal) throw refusal;
  return exits.ok;
}

/** What `kiln series --json` prints, and its exit code. */
export async function describeAsJson(
  source: string,
  options: Omit<Options, 'json'>,
  signal: AbortSignal,
  cache = cacheDirectory(),
): Promise<{ json: SeriesJson; exitCode: number }> {
  const { series, refusal } = await readOrRefuse(source, options, signal);
  const found: Found =
    series === undefined
      ? { series, refusal }
      : await applyOrRefuse({ series, refusal }, { on: options.on, cache, signal });
  return { json: asJson(found, options.on), exitCode: found.refusal?.exitCode ?? exits.ok };
}

type Found = {
  series: Series | undefined;
  refusal: KilnError | undefined;
  /** Only with --on, and if nothing was refused. */
  tree?: Tree;
};

/** With --on, apply what was chosen. */
async function applyOrRefuse(
  found: Reading,
  { on, cache, signal }: { on: string | undefined; cache: string; signal: AbortSignal },
): Promise<Reading & { tree?: Tree }> {
  if (on === undefined || found.refusal) return found;
  const note: Context['note'] = (_, text) => void process.stderr.write(`kiln: ${printable(text)}\n`);
  const context = { cache, signal, progress: () => {}, note };
  try {
    const { base } = await prepareBase(on, context);
    return { ...found, tree: (await applySeries(base, [found.series], context)).tree };
  } catch (error) {
    return { ...found, refusal: refusalOf(error, signal) };
  }
}

/** For a program, what the user can put right is an answer like any other. Throws anything else. */
function refusalOf(error: unknown, signal: AbortSignal): KilnError {
  const known = asKilnError(signal.aborted ? signal.reason : error);
  if (!(error instanceof KilnError) || known.code === 'interrupted') throw error;
  return known;
}

async function inspect(
  source: string,
  options: Omit<Options, 'json'>,
  signal: AbortSignal,
): Promise<Reading> {
  refuseIdleInbox(options, [source]);
  return inspectSeries(source, findProject(options.project).patches, { ...options, signal });
}

async function readOrRefuse(
  source: string,
  options: Omit<Options, 'json'>,
  signal: AbortSignal,
): Promise<Found> {
  try {
    return await inspect(source, options, signal);
  } catch (error) {
    return { series: undefined, refusal: refusalOf(error, signal) };
  }
}

/** What could not be read at all has nothing but `refusal`. */
export type SeriesJson = {
  name?: string;
  source?: string;
  /** The version; null if the series did not come by mail. */
  revision?: number | null;
  /** In the order in which they are applied. */
  patches?: { number: number | null; subject: string; message_id: string | null; file: string }[];
  /** Numbers of parts that are not there. */
  missing?: number[];
  left_out?: { subject: string; message_id: string | null; reason: string }[];
  warnings?: string[];
  base_commit?: string | null;
  /** With --on: git's hash of the tree that the series gives; null if it is refused. */
  tree?: string | null;
  /** null, or the error with which a test would end: code, message, hint, and what it is about. */
  refusal: ({ code: ErrorCode; message: string; hint: string } & ErrorDetails) | null;
};

function asJson({ series, refusal, tree }: Found, on: string | undefined): SeriesJson {
  const described = refusal && {
    code: refusal.code,
    message: refusal.message,
    hint: refusal.hint,
    ...refusal.details,
  };
  if (series === undefined) return { refusal: described ?? null };
  return {
    name: series.name,
    source: series.source,
    revision: series.revision,
    patches: series.patches.map(({ number, subject, messageId, file }) => ({
      number,
      subject,
      message_id: messageId,
      file,
    })),
    missing: series.missing,
    left_out: series.leftOut.map(({ subject, messageId, reason }) => ({
      subject,
      message_id: messageId,
      reason,
    })),
    warnings: [...series.warnings, ...(tree?.warnings ?? [])],
    base_commit: series.baseCommit,
    ...(on === undefined ? {} : { tree: tree?.content ?? null }),
    refusal: described ?? null,
  };
}

function asText(series: Series, tree: Tree | undefined): string {
  const { name, revision, patches, missing, leftOut, baseCommit } = series;
  const warnings = [...series.warnings, ...(tree?.warnings ?? [])];
  const lines = [
    `${name}${revision === null ? '' : ` v${revision}`}: ${plural(patches.length, 'patch')}`,
    ...patches.map(({ file, subject }) => `  ${subject || file}`),
    ...(missing.length === 0 ? [] : [`missing: ${missing.slice(0, 50).join(', ')}`]),
    ...(baseCommit === null ? [] : [`made on ${baseCommit}`]),
    ...warnings.map((warning) => `warning: ${warning}`),
    ...(leftOut.length === 0 ? [] : ['left out:']),
    ...leftOut.map(({ subject, reason }) => `  ${subject || '(no subject)'}: ${reason}`),
    ...(tree === undefined ? [] : [`tree ${tree.content}`]),
  ];
  return `${lines.join('\n')}\n`;
}
