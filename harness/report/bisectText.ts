// SPDX-License-Identifier: MIT
import type { Bisect, BisectCommit, Results } from '../schema.ts';
import { plural } from '../util/plural.ts';

/** Digits of a commit in lines. */
const digits = 12;

/** `bad, 5 of 5 fail`; `skip, does not build` */
export function answerText({
  answer,
  runs,
  reason,
}: Pick<BisectCommit, 'answer' | 'runs' | 'reason'>): string {
  const why = reason.split('\n')[0]!;
  if (answer === 'skip') return `skip, ${why}`;
  return `${answer}, ${runs ? `${runs.failed} of ${runs.runs} fail` : 'not run'}`;
}

/** What `kiln bisect` prints on stdout. @param time how long it took, with its unit */
export function bisectLines(results: Results, bisect: Bisect, dir: string, time: string): string[] {
  const { test, case: name, asked, failure, again } = bisect;
  const subject = [test, ...(name === null ? [] : [name])].join(' ');
  return [
    `${subject}: ${plural(bisect.commits, 'commit')} of ${bisect.repository}`,
    ...(bisect.looks_for === 'boot' ? ['BAD does not boot: a commit is bad if it does not boot'] : []),
    ...asked.map(
      (one, index) =>
        `${placeOf(index).padEnd(7)} ${one.commit.slice(0, digits)} ${answerText(one)}: ${one.subject}`,
    ),
    '',
    ...foundLines(bisect),
    ...evidenceLines(results, bisect, dir),
    ...(failure === null ? [] : [failure]),
    `${plural(Math.max(asked.length - 2, 0), 'step')} in ${time}`,
    `again: ${again}`,
    `results: ${dir}/results.json`,
  ];
}

function placeOf(index: number): string {
  return ['GOOD', 'BAD'][index] ?? `step ${index - 1}`;
}

function foundLines({ found, error }: Bisect): string[] {
  const [first] = found;
  const odds = `wrong with p < ${100 * error} %`;
  if (first && found.length === 1)
    return [
      `first bad commit: ${first.commit}`,
      `  ${first.subject}`,
      `  ${first.author}, ${first.date}`,
      `  ${odds}`,
    ];
  if (!first) return [];
  return [
    `the first bad commit is one of ${found.length}, which can't be told apart (${odds}):`,
    ...found.map(({ commit, subject, author }) => `  ${commit} ${subject} (${author})`),
  ];
}

/** Why the first bad commit fails, and where its logs are. */
function evidenceLines({ tests }: Results, { found, asked }: Bisect, dir: string): string[] {
  if (found.length !== 1) return [];
  const own = asked.find(({ commit }) => commit === found[0]!.commit);
  const guest = tests.find(({ job }) => job === own?.job)?.guest;
  return [
    ...(own?.reason ? [`  ${own.reason.split('\n')[0]}`] : []),
    ...(guest ? [`  logs: ${dir}/${guest.console.replace(/\/[^/]*$/, '/')}`] : []),
  ];
}
