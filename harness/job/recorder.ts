// SPDX-License-Identifier: MIT

import { type Context, cacheDirectory, type Sandbox } from '../context.ts';
import { asKilnError } from '../errors.ts';
import type { Emit, StageName } from '../events.ts';

import type { JobResult, TestResult } from '../schema.ts';
import type { Plan } from './plan.ts';

/** The output of a stage, whether it was cached, and a line for people. */
export type StageResult<T> = { value: T; cached: boolean; text: string };

/** Records a running job: its results so far. Gives each stage its context. */
export class JobRecorder {
  readonly plan: Plan;
  readonly job: JobResult;
  /** Results by the tests' places in the plan; holes where the run was cut short. */
  readonly tests: (TestResult | undefined)[] = [];
  readonly emit: Emit;
  readonly #signal: AbortSignal;
  /** Chosen under way. */
  sandbox: Sandbox | undefined;

  constructor(plan: Plan, emit: Emit, signal: AbortSignal) {
    this.plan = plan;
    this.emit = emit;
    this.#signal = signal;
    this.job = {
      id: plan.id,
      base: { source: plan.ask.base, version: null, sha256: null, commit: null },
      series: plan.series.map((source) => ({ name: source, source, patches: [] })),
      config: [
        ...(plan.ask.configFrom === null ? [] : [plan.ask.configFrom]),
        ...plan.ask.config,
        ...plan.ask.set,
      ],
      accelerator: { name: 'tcg', reason: 'not yet chosen' },
      kernel: null,
      keys: { tree: null, kernel: null, image: null },
      stages: [],
      left_out: [],
      notes: [],
      error: null,
    };
  }

  /** Run one stage with its own context; its time and whether it was cached go into the results. */
  async stage<T>(stage: StageName, run: (context: Context) => Promise<StageResult<T>>): Promise<T> {
    const job = this.plan.id;
    const started = performance.now();
    const at = new Date().toISOString();
    this.emit({ type: 'stage-start', job, stage });
    const context: Context = {
      cache: cacheDirectory(),
      signal: this.#signal,
      ...(this.sandbox ? { sandbox: this.sandbox } : {}),
      progress: (text, done, total) =>
        this.emit({
          type: 'stage-progress',
          job,
          stage,
          text,
          ...(done === undefined ? {} : { done }),
          ...(total === undefined ? {} : { total }),
        }),
      note: (level, text) => {
        if (level === 'warn') this.job.notes?.push(text);
        this.emit({ type: 'note', job, level, text });
      },
    };
    try {
      this.#signal.throwIfAborted();
      const { value, cached, text } = await run(context);
      const durationMs = Math.round(performance.now() - started);
      this.job.stages.push({ name: stage, started: at, duration_ms: durationMs, cached });
      this.emit({ type: 'stage-end', job, stage, cached, durationMs, text });
      return value;
    } catch (error) {
      const durationMs = Math.round(performance.now() - started);
      this.job.stages.push({ name: stage, started: at, duration_ms: durationMs, cached: false });
      this.emit({ type: 'stage-failed', job, stage, message: asKilnError(error).message });
      throw error;
    }
  }
}
