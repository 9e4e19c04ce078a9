// SPDX-License-Identifier: MIT
// Every event of a run, as a closed union. Reporters consume only these.
import type { Counts, Results, TestResult } from './schema.ts';

export type StageName =
  | 'base'
  | 'series'
  | 'config'
  | 'checks'
  | 'kernel'
  | 'comparison'
  | 'elsewhere'
  | 'image'
  | 'tests'
  | 'replays';

export type KilnEvent =
  | { type: 'run-start'; id: string; dir: string; jobs: string[] }
  | { type: 'note'; job: string; level: 'info' | 'warn'; text: string }
  | { type: 'stage-start'; job: string; stage: StageName }
  | { type: 'stage-progress'; job: string; stage: StageName; text: string; done?: number; total?: number }
  | { type: 'stage-end'; job: string; stage: StageName; cached: boolean; durationMs: number; text: string }
  | { type: 'stage-failed'; job: string; stage: StageName; message: string }
  | { type: 'tests-planned'; job: string; total: number; guests: number }
  | { type: 'test-start'; job: string; suite: string; test: string }
  | { type: 'test-end'; job: string; result: TestResult }
  | { type: 'repeat-progress'; job: string; total: number; failed: number; verdicts: Counts }
  | { type: 'run-end'; results: Results; dir: string };

export type Emit = (event: KilnEvent) => void;

/** Shows a run. `close` is called once, after the last event or when the run is aborted. */
export type Reporter = { onEvent: (event: KilnEvent) => void; close: () => Promise<void> };
