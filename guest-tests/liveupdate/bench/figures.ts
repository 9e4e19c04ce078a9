// SPDX-License-Identifier: MIT
import type { Figure } from '../../../harness/bench/statistics.ts';

/** The steps of tuning. Each includes those before it. */
export type Step = 'untuned' | 'loaded_ahead' | 'small_initramfs' | 'quiet' | 'small';

/**
 * Milliseconds. A blackout is measured inside, from the last instruction of the virtual machine on the one kernel to
 * its first on the next; `plain`, from the order to leave to the agent's first word, outside.
 */
export type LiveUpdateBench = {
  /** kexec to PID 1, the next kernel loaded as for `small`, nothing kept. */
  plain_ms: Figure;
  /** A virtual machine of 64 MiB, and one whose memory is 1 GiB. */
  blackout_ms: { small: Figure; large: Figure; two_cpus: Figure };
  /** large / small: what a blackout costs for sixteen times the memory. */
  memory_ratio: number;
  /** small / plain. */
  plain_ratio: number;
  /** What was tuned: 64 MiB after each step, from `untuned` to `small`. */
  steps_ms: Record<Step, Figure>;
  /** 1 - small / untuned. */
  tuning: number;
  /** Where blackouts go, in the order of the stages. */
  stages_ms: { large: Stages } & Record<Step, Stages>;
  /** Loading the next kernel, while the virtual machine runs; and bringing up the processors it came without. */
  beside_ms: { load: Figure; processors: Figure };
  /** Minor faults at the first touch of the same memory. */
  first_touch: { faults_2m: number; faults_4k: number; ratio: number };
};

export type Stages = Record<string, Figure>;
