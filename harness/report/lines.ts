// SPDX-License-Identifier: MIT
import type { KilnEvent, Reporter } from '../events.ts';
import { printable } from '../util/printable.ts';
import { noteLine, repeatProgress, seconds, summaryLines, testLine } from './text.ts';

/** Milliseconds between two lines of progress of one stage. */
const progressInterval = 15_000;

/** Plain lines, one an event, sparse progress: for pipes, log files and CI. */
export function linesReporter(write: (line: string) => void): Reporter {
  let lastProgress = performance.now();
  const onEvent = (event: KilnEvent): void => {
    switch (event.type) {
      case 'run-start':
        write(`kiln: run ${event.id} in ${event.dir}`);
        break;
      case 'note':
        write(noteLine(event));
        break;
      case 'stage-start':
        lastProgress = performance.now();
        break;
      case 'stage-progress':
        if (event.stage === 'tests' || performance.now() - lastProgress < progressInterval) break;
        lastProgress = performance.now();
        write(`${event.stage.padEnd(7)} … ${printable(event.text)}${portion(event.done, event.total)}`);
        break;
      case 'stage-end':
        write(
          `${event.stage.padEnd(7)} ${printable(event.text)} (${event.cached ? 'cached' : seconds(event.durationMs)})`,
        );
        break;
      case 'stage-failed':
        write(`${event.stage.padEnd(7)} failed`);
        break;
      case 'tests-planned':
        write(`tests   ${event.total} in fresh guests, ${event.guests} at a time`);
        break;
      case 'test-start':
        break;
      case 'test-end':
        write(testLine(event.result));
        break;
      case 'repeat-progress':
        if (performance.now() - lastProgress < progressInterval) break;
        lastProgress = performance.now();
        write(`tests   … ${repeatProgress(event)}`);
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

/** `, 120 of 1900` as far as it is known. */
export function portion(done?: number, total?: number): string {
  if (done === undefined) return '';
  return total === undefined
    ? `, ${done} done`
    : `, ${done} of ${total} (${Math.floor((100 * done) / total)} %)`;
}
