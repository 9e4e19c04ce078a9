// SPDX-License-Identifier: MIT
// Pure: the results of a test on each of its kernels → its result.

import type { GenerationResult, TestResult } from '../schema.ts';
import { isBad, worst } from './judge.ts';

/** A test on one kernel. */
export type Generation = Pick<GenerationResult, 'release' | 'by' | 'blackout_ms'> & { result: TestResult };

/**
 * Merge the results of a test's generations. The logs are those of the generation that decides the verdict.
 */
export function mergeGenerations(generations: Generation[]): TestResult {
  const results = generations.map(({ result }) => result);
  const decisive = worst(results);
  const number = results.indexOf(decisive);
  const isGood = !isBad(decisive.verdict);
  const name = (index: number) => `generation ${index}`;
  return {
    ...results[0]!,
    verdict: decisive.verdict,
    detail: isGood && decisive.detail === '' ? '' : `${name(number)}: ${decisive.detail}`,
    tempo: decisive.tempo,
    time: decisive.time,
    cases: results.flatMap(({ cases }, index) =>
      cases.map((one) => ({ ...one, name: `${name(index)} > ${one.name}` })),
    ),
    splats: results.flatMap(({ splats }) => splats),
    problems: results.flatMap(({ problems }, index) => problems.map((text) => `${name(index)}: ${text}`)),
    duration_ms: results.reduce((sum, { duration_ms }) => sum + duration_ms, 0),
    guest: isGood ? results[0]!.guest : decisive.guest,
    artifacts: results.flatMap(({ artifacts }) => artifacts),
    reproduce: decisive.reproduce,
    generations: generations.map(generationResult),
  };
}

function generationResult(
  { release, by, blackout_ms, result }: Generation,
  generation: number,
): GenerationResult {
  const { verdict, detail, boot_ms, duration_ms, guest } = result;
  const { console = '', kmsg = '', output = '' } = guest ?? {};
  return {
    generation,
    release,
    by,
    verdict,
    detail,
    blackout_ms,
    boot_ms,
    duration_ms,
    console,
    kmsg,
    output,
  };
}
