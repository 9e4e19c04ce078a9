// SPDX-License-Identifier: MIT
// `npm run blame`: how often is `kiln ci` wrong, by simulation? Exit code 1: more often than it states.
import { parseArgs } from 'node:util';
import { minimalRise, pairBudget, statedError } from '../ci/blame.ts';
import { plural } from '../util/plural.ts';
import { randomFrom } from './random.ts';
import { type Rates, type Simulated, simulate } from './simulation.ts';

const shares = [0, 0.05, 0.2, 0.5, 1];
const patches = 8;

type Row = Rates & Simulated;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { series: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1' } },
  });
  const series = Number(values.series);
  let isHeld = true;
  for (const failures of [1, 10]) {
    process.stdout.write(
      `${series} series of ${patches} patches with ${plural(failures, 'failure')} each\n${head}`,
    );
    const rows: Row[] = [];
    for (const patched of shares)
      for (const base of shares) {
        const asked = { patched, base, series, failures, patches };
        const row = {
          ...asked,
          ...(await simulate(asked, randomFrom(`${values.seed} ${failures} ${patched} ${base}`))),
        };
        rows.push(row);
        process.stdout.write(lineOf(row));
      }
    process.stdout.write(summary(rows, series, failures));
    isHeld &&= worst(rows) <= statedError * series;
  }
  return isHeld ? 0 : 1;
}

const head = 'patched   base   wrong      new  not new  undecided  pairs\n';

function lineOf({ patched, base, wrong, answers, pairs }: Row): string {
  const cells: [string | number, number][] = [
    [percent(patched), 7],
    [percent(base), 7],
    [wrong, 8],
    [answers.new, 9],
    [answers['not-new'], 9],
    [answers.undecided, 11],
    [pairs, 7],
  ];
  return `${cells.map(([text, width]) => String(text).padStart(width)).join('')}\n`;
}

function worst(rows: readonly Row[]): number {
  return Math.max(...rows.map(({ wrong }) => wrong));
}

function summary(rows: readonly Row[], series: number, failures: number): string {
  const all = rows.reduce((sum, { wrong }) => sum + wrong, 0);
  const rises = rows.filter(({ patched, base }) => patched - base >= minimalRise);
  const found = Math.min(...rises.map(({ answers }) => answers.new)) / (series * failures);
  return [
    `wrong: ${all} of ${rows.length * series} series; at most ${worst(rows)} of ${series} with the same rates, ${statedError * series} are stated\n`,
    `a rise by ${percent(minimalRise)} or more is found within ${pairBudget} pairs in at least ${percent(found)}\n\n`,
  ].join('');
}

function percent(share: number): string {
  return `${Math.floor(share * 10_000) / 100} %`;
}

process.exitCode = await main();
