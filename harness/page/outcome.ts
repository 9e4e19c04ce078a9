// SPDX-License-Identifier: MIT
// Pure: what became of the run, in words.
import { ciCounts } from '../report/ciText.ts';
import { counts, seconds } from '../report/text.ts';
import type { Results } from '../schema.ts';
import { plural } from '../util/plural.ts';

/** `tone`: how it looks. `word`: one or two words. `sentence`: what was counted. `exit`: the exit code in words. */
export type Outcome = { tone: 'good' | 'bad' | 'other'; word: string; sentence: string; exit: string };

export function outcomeOf(results: Results): Outcome {
  const { exit_code, ci, repeat, bisect, summary, tests, duration_ms } = results;
  const tone = exit_code === 0 ? 'good' : exit_code === 69 || exit_code === 130 ? 'other' : 'bad';
  const counted = ci
    ? ciCounts(ci)
    : bisect
      ? `${plural(bisect.asked.length, 'commit')} of ${bisect.commits}`
      : repeat
        ? `${repeat.failed} of ${repeat.of} failed`
        : `${counts(summary, tests)} (${plural(summary.cases.total, 'case')})`;
  return {
    tone,
    word: words[exit_code] ?? `exit code ${exit_code}`,
    sentence: `${counted} in ${seconds(duration_ms)}`,
    exit: `${exit_code}: ${exitWords(results)}`,
  };
}

const words: Record<number, string> = {
  0: 'Passed',
  1: 'Failed',
  2: 'Bad input',
  3: 'Does not apply',
  4: 'Does not build',
  69: 'Infrastructure error',
  130: 'Interrupted',
};

/** Of `kiln ci` and `kiln bisect`, some codes mean something else (docs/ci.md). */
function exitWords({ exit_code, ci, bisect }: Results): string {
  const special = ci ? ciExits : bisect ? bisectExits : {};
  return special[exit_code] ?? exits[exit_code] ?? 'unknown to this version of Kiln';
}

const exits: Record<number, string> = {
  0: 'all tests ended as expected',
  1: 'a test failed, timed out or crashed',
  2: 'usage error or bad input',
  3: 'a patch does not apply',
  4: 'the kernel does not build, or a config symbol is missing',
  69: 'infrastructure error',
  130: 'interrupted: the results are those so far',
};

const ciExits: Record<number, string> = {
  0: 'nothing that worked before fails',
  1: 'the series breaks something, or a check of --fail-on does not pass',
  4: 'the kernel does not build after a patch',
  69: 'the base fails by itself, or an infrastructure error: nothing is known of the series',
};

const bisectExits: Record<number, string> = {
  0: 'the first bad commit was found',
  1: 'the first bad commit is one of several',
  2: "GOOD and BAD can't be told apart, or a usage error",
  4: 'GOOD or BAD does not build',
};
