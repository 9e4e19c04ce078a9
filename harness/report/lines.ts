// SPDX-License-Identifier: MIT
import type { KilnEvent, Reporter } from '../events.ts';
import { printable } from '../util/printable.ts';
import { noteLine, portion, repeatProgress, seconds, summaryLines, testLine } from './text.ts';

/** Milliseconds between two progress lines of a job. */
const progressInterval = 15_000;

/**
 * Plain lines for pipes, log files and CI: one per event, with few progress lines. With several jobs, each
 * line begins with its job's id.
 */
export function linesReporter(write: (line: string) => void): Reporter {
  const lastProgress = new Map<string, number>();
  let several = false;
  const say = (job: string, line: string) => write(several ? `${job}: ${line}` : line);
  /** Whether it is time for a progress line of the job. */
  const isDue = (job: string) => {
    const last = lastProgress.get(job) ?? 0;
    if (performance.now() - last < progressInterval) return false;
    lastProgress.set(job, performance.now());
    return true;
  };
  const onEvent = (event: KilnEvent): void => {
    switch (event.type) {
      case 'run-start':
        several = event.jobs.length > 1;
        write(`kiln: run ${event.id} in ${event.dir}`);
        break;
      case 'note':
        say(event.job, noteLine(event));
        break;
      case 'stage-start':
        lastProgress.set(event.job, performance.now());
        break;
      case 'stage-progress':
        if (event.stage !== 'tests' && isDue(event.job))
          say(
            event.job,
            `${event.stage.padEnd(7)} … ${printable(event.text)}${portion(event.done, event.total)}`,
          );
        break;
      case 'stage-end': {
        const time = event.cached ? 'cached' : seconds(event.durationMs);
        say(event.job, `${event.stage.padEnd(7)} ${printable(event.text)} (${time})`);
        break;
      }
      case 'stage-failed':
        say(event.job, `${event.stage.padEnd(7)} failed`);
        break;
      case 'tests-planned':
        say(event.job, `tests   ${event.total} in fresh guests, ${event.guests} at a time`);
        break;
      case 'test-start':
        break;
      case 'test-end':
        write(testLine(event.result, several));
        break;
      case 'repeat-progress':
        if (isDue(event.job)) say(event.job, `tests   … ${repeatProgress(event)}`);
        break;
      case 'run-end':
        for (const line of summaryLines(event.results, event.dir)) write(line);
        break;
      default:
        event satisfies never;
    }
  };
  return { onEvent, close: async () => {} };
}
