// SPDX-License-Identifier: MIT
import { Listr, type ListrTask } from 'listr2';
import type { KilnEvent, Reporter, StageName } from '../events.ts';
import { printable } from '../util/printable.ts';
import { portion } from './lines.ts';
import { noteLine, repeatProgress, seconds, stageTitles, summaryLines, testLine } from './text.ts';

/** What a task of listr2's lets us set while it runs. */
type Shown = { title: string | undefined; output: string };
type Stage = {
  name: StageName;
  shown: Shown;
  finish: () => void;
  fail: (error: Error) => void;
  task: ListrTask;
};

/**
 * A live view for a terminal: a line a stage, its progress or its tests below.
 * @param names the stages that will come, in order
 */
export function terminalReporter(names: StageName[], write: (line: string) => void): Reporter {
  const stages = names.map(stageTask);
  const at = (name: StageName): Stage => stages.find((stage) => stage.name === name)!;
  const list = new Listr(
    stages.map(({ task }) => task),
    { registerSignalListeners: false, rendererOptions: { collapseErrors: false, showErrorMessage: false } },
  );
  const shown = list.run().catch(() => {}); // the run's own results say what failed
  const last: string[] = [];
  let current: Stage | undefined;

  const onEvent = (event: KilnEvent): void => {
    switch (event.type) {
      case 'stage-start':
        current = at(event.stage);
        break;
      case 'note': {
        const text = noteLine(event);
        last.push(text);
        if (current) current.shown.output = text;
        break;
      }
      case 'stage-progress':
        if (event.stage !== 'tests')
          at(event.stage).shown.output = `${printable(event.text)}${portion(event.done, event.total)}`;
        break;
      case 'stage-end': {
        const stage = at(event.stage);
        const time = event.cached ? 'cached' : seconds(event.durationMs);
        stage.shown.title = `${stageTitles[event.stage]}: ${printable(event.text)} (${time})`;
        stage.finish();
        break;
      }
      case 'stage-failed':
        at(event.stage).fail(new Error(event.message));
        break;
      case 'test-end':
        at('tests').shown.output = testLine(event.result);
        break;
      case 'repeat-progress':
        at('tests').shown.title = `${stageTitles.tests}: ${repeatProgress(event)}`;
        break;
      case 'run-end':
        last.push(...summaryLines(event.results, event.dir));
        break;
      case 'run-start':
      case 'tests-planned':
      case 'test-start':
        break;
      default:
        event satisfies never;
    }
  };
  const close = async () => {
    for (const { fail } of stages) fail(new Error('not reached'));
    await shown;
    for (const line of last) write(line);
  };
  return { onEvent, close };
}

/** A task that ends when the stage's events say so. Until listr2 starts it, what is set waits in a plain object. */
function stageTask(name: StageName): Stage {
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => {});
  const stage: Stage = {
    name,
    shown: { title: undefined, output: '' },
    finish: ended.resolve,
    fail: ended.reject,
    task: {
      title: stageTitles[name],
      task: (_, wrapper) => {
        if (stage.shown.title !== undefined) wrapper.title = stage.shown.title;
        stage.shown = wrapper as unknown as Shown;
        return ended.promise;
      },
      rendererOptions:
        name === 'tests' ? { outputBar: Number.POSITIVE_INFINITY, persistentOutput: true } : {},
    },
  };
  return stage;
}
