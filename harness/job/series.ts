// SPDX-License-Identifier: MIT
import { readSeries, type Series } from '../series/series.ts';
import type { Plan } from './plan.ts';

/** Read all series of a plan, in the order of application: those of --with, then those that are tested. */
export async function readPlanned(
  { ask, series, with: added }: Plan,
  signal: AbortSignal,
): Promise<Series[]> {
  const { revision, allowIncomplete, inbox, project } = ask;
  return Promise.all(
    series.map((source) =>
      readSeries(source, project.patches, {
        revision: added.includes(source) ? undefined : (revision ?? undefined),
        allowIncomplete,
        inbox: inbox ?? undefined,
        signal,
      }),
    ),
  );
}
