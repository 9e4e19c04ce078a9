// SPDX-License-Identifier: MIT
import { createLogUpdate } from 'log-update';
import type { KilnEvent, Reporter, StageName } from '../events.ts';
import { printable } from '../util/printable.ts';
import { noteLine, portion, repeatProgress, seconds, stageTitles, summaryLines, testLine } from './text.ts';

/** Milliseconds between two frames of the spinner. */
const frameInterval = 100;
const spinner = [...'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'];

/**
 * A live view for a terminal: a line for each stage, with its progress; of several jobs, a line for each with the stage
 * that it is at. Test results and notes scroll above it. The summary follows below it.
 * @param stages the stages of the run, in order
 */
export function terminalReporter(stages: StageName[], stream: NodeJS.WriteStream): Reporter {
  const draw = createLogUpdate(stream);
  const view = new View(stages);
  let frame = 0;
  let isOver = false;
  const redraw = () => {
    if (!isOver) draw(view.lines(spinner[frame % spinner.length]!, stream.columns || 80).join('\n'));
  };
  const timer = setInterval(() => {
    frame++;
    redraw();
  }, frameInterval);
  timer.unref();
  const finish = () => {
    clearInterval(timer);
    redraw();
    isOver = true;
    draw.done();
  };
  const write = (lines: string[]) => {
    if (lines.length === 0) return;
    draw.clear();
    stream.write(lines.map((line) => `${line}\n`).join(''));
    redraw();
  };
  return {
    onEvent: (event) => {
      view.take(event);
      if (event.type === 'note') write([view.named(event.job, noteLine(event))]);
      else if (event.type === 'test-end') write([testLine(event.result, view.hasSeveral)]);
      else if (event.type === 'run-end') {
        finish();
        stream.write(`${summaryLines(event.results, event.dir).join('\n')}\n`);
      }
    },
    close: async () => {
      if (!isOver) finish();
    },
  };
}

type StageView = {
  name: StageName;
  state: 'waiting' | 'running' | 'done' | 'failed';
  /** Its result; empty until it ends. */
  text: string;
  progress: string;
};

type JobView = { stages: StageView[]; tests: { planned: number; ended: number; failed: number } };

/** Pure: the events of a run → the lines of the view, by job and stage. */
export class View {
  readonly #names: StageName[];
  readonly #jobs = new Map<string, JobView>();
  hasSeveral = false;

  constructor(names: StageName[]) {
    this.#names = names;
  }

  /** Puts the job's id before the line if the run has several jobs. */
  named(job: string, line: string): string {
    return this.hasSeveral ? `${job}: ${line}` : line;
  }

  take(event: KilnEvent): void {
    switch (event.type) {
      case 'run-start':
        this.hasSeveral = event.jobs.length > 1;
        for (const job of event.jobs) this.#job(job);
        break;
      case 'stage-start':
        this.#stage(event.job, event.stage).state = 'running';
        break;
      case 'stage-progress':
        if (event.stage !== 'tests')
          this.#stage(event.job, event.stage).progress =
            `${printable(event.text)}${portion(event.done, event.total)}`;
        break;
      case 'stage-end': {
        const time = event.cached ? 'cached' : seconds(event.durationMs);
        const text = `${printable(event.text)} (${time})`;
        Object.assign(this.#stage(event.job, event.stage), { state: 'done', text });
        break;
      }
      case 'stage-failed':
        Object.assign(this.#stage(event.job, event.stage), { state: 'failed', text: 'failed' });
        break;
      case 'tests-planned':
        this.#job(event.job).tests.planned = event.total;
        break;
      case 'test-end': {
        const { tests } = this.#job(event.job);
        tests.ended++;
        if (['fail', 'timeout', 'crash'].includes(event.result.verdict)) tests.failed++;
        const failed = tests.failed > 0 ? `, ${tests.failed} failed` : '';
        this.#stage(event.job, 'tests').progress = `${tests.ended} of ${tests.planned}${failed}`;
        break;
      }
      case 'repeat-progress':
        this.#stage(event.job, 'tests').progress = repeatProgress(event);
        break;
      case 'note':
      case 'test-start':
      case 'run-end':
        break;
      default:
        event satisfies never;
    }
  }

  /**
   * @param width of the terminal, in characters. Lines are cut there, because a wrapped line can't be redrawn
   */
  lines(mark: string, width: number): string[] {
    const lines = [...this.#jobs].flatMap(([job, { stages }]) => {
      if (!this.hasSeveral) return stages.map((stage) => stageLine(stage, mark));
      return [jobLine(printable(job), stages, mark)];
    });
    return lines.map((line) => (line.length > width ? `${line.slice(0, width - 1)}…` : line));
  }

  #job(id: string): JobView {
    const known = this.#jobs.get(id) ?? newJob(this.#names);
    this.#jobs.set(id, known);
    return known;
  }

  #stage(job: string, name: StageName): StageView {
    const { stages } = this.#job(job);
    const known = stages.find((stage) => stage.name === name);
    if (!known) throw new Error(`the stage ${name} was not announced`);
    return known;
  }
}

/** One of several jobs: the stage that it is at; after the last one, what came of that. */
function jobLine(job: string, stages: StageView[], mark: string): string {
  const busy = stages.findLast(({ state }) => state === 'running' || state === 'failed');
  const done = stages.findLast(({ state }) => state === 'done');
  const [sign, text] = stageParts(busy ?? done ?? stages[0]!, mark);
  return `${sign} ${job}: ${text}`;
}

function newJob(names: StageName[]): JobView {
  const stages = names.map((name): StageView => ({ name, state: 'waiting', text: '', progress: '' }));
  return { stages, tests: { planned: 0, ended: 0, failed: 0 } };
}

function stageLine(stage: StageView, mark: string): string {
  return stageParts(stage, mark).join(' ');
}

/** The sign before the line, and the line. */
function stageParts({ name, state, text, progress }: StageView, mark: string): [string, string] {
  const title = stageTitles[name];
  switch (state) {
    case 'waiting':
      return [' ', title];
    case 'running':
      return [mark, `${title}${progress ? `: ${progress}` : ''}`];
    case 'done':
      return ['✔', `${title}: ${text}`];
    case 'failed':
      return ['✖', `${title}: ${text}`];
  }
}
