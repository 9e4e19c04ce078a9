// SPDX-License-Identifier: MIT
import { asKilnError, type ErrorCode, exits, KilnError } from '../errors.ts';
import { paths } from '../paths.ts';
import { inspectSeries, type Reading } from '../series/series.ts';
import { printable } from '../util/printable.ts';
import { addSeriesOptions, type SeriesOptions, seriesSources } from './ask.ts';
import type { Cli } from './command.ts';

type Options = SeriesOptions & { json?: boolean };

export function registerSeries({ program, run, signal }: Cli): void {
  addSeriesOptions(program.command('series'))
    .description('show what would be tested of a series, without a kernel')
    .argument('<src>', seriesSources)
    .option('--json', 'for programs')
    .addHelpText('after', examples)
    .action(run((source: string, options: Options) => seriesCommand(source, options, signal)));
}

const examples = `
Examples:
  kiln series thread.mbox                       the patches of its newest complete version, and what is left out
  kiln series thread.mbox --revision 1          those of another version
  kiln series lore:20260101120000.1-1-ann@example.org --inbox ~/lore/linux-mm`;

/** `kiln series`: what the other commands would test. A refusal is shown with what was found, and has its exit code. */
async function seriesCommand(source: string, options: Options, signal: AbortSignal): Promise<number> {
  if (options.json) {
    const { json, exitCode } = await describeAsJson(source, options, signal);
    process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
    return exitCode;
  }
  const { series, refusal } = await inspectSeries(source, paths.patches, { ...options, signal });
  process.stdout.write(printable(asText(series)));
  if (refusal) throw refusal;
  return exits.ok;
}

/** What `kiln series --json` prints, and its exit code. */
export async function describeAsJson(
  source: string,
  options: SeriesOptions,
  signal: AbortSignal,
): Promise<{ json: SeriesJson; exitCode: number }> {
  const found = await readOrRefuse(source, options, signal);
  return { json: asJson(found), exitCode: found.refusal?.exitCode ?? exits.ok };
}

type Found = { series: Reading['series'] | undefined; refusal: KilnError | undefined };

async function readOrRefuse(source: string, options: SeriesOptions, signal: AbortSignal): Promise<Found> {
  try {
    return await inspectSeries(source, paths.patches, { ...options, signal });
  } catch (error) {
    // For a program, what can't be read is an answer like any other.
    const known = asKilnError(signal.aborted ? signal.reason : error);
    if (!(error instanceof KilnError) || known.code === 'interrupted') throw error;
    return { series: undefined, refusal: known };
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
  /** null, or the error with which a test would end. */
  refusal: { code: ErrorCode; message: string; hint: string } | null;
};

function asJson({ series, refusal }: Found): SeriesJson {
  const described = refusal && { code: refusal.code, message: refusal.message, hint: refusal.hint };
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
    warnings: series.warnings,
    base_commit: series.baseCommit,
    refusal: described ?? null,
  };
}

function asText({
  name,
  revision,
  patches,
  missing,
  leftOut,
  warnings,
  baseCommit,
}: Reading['series']): string {
  const count = `${patches.length} ${patches.length === 1 ? 'patch' : 'patches'}`;
  const lines = [
    `${name}${revision === null ? '' : ` v${revision}`}: ${count}`,
    ...patches.map(({ file, subject }) => `  ${subject || file}`),
    ...(missing.length === 0 ? [] : [`missing: ${missing.slice(0, 50).join(', ')}`]),
    ...(baseCommit === null ? [] : [`made on ${baseCommit}`]),
    ...warnings.map((warning) => `warning: ${warning}`),
    ...(leftOut.length === 0 ? [] : ['left out:']),
    ...leftOut.map(({ subject, reason }) => `  ${subject || '(no subject)'}: ${reason}`),
  ];
  return `${lines.join('\n')}\n`;
}
