// SPDX-License-Identifier: MIT
// Pure: results → the rows of the page, the unexpected ones first.
import { evidenceOf } from '../report/changes.ts';
import { isBad } from '../results/judge.ts';
import type { CaseResult, Change, Ci, JobResult, Results, TestResult, Verdict } from '../schema.ts';
import { matches, parseQuery, type Subject, wantedText } from './filter.ts';

/** A test on all jobs of the run. */
export type Row = {
  suite: string;
  test: string;
  /** By the places of columnsOf(); undefined where it did not run. */
  cells: (TestResult | undefined)[];
  /** Of `kiln ci`: what is not the same on base and patched, the most urgent first. */
  changes: Change[];
  /** The most urgent of its changes. */
  state: Change['kind'] | null;
  /** How far from what was expected, from 0: the order of rows. */
  rank: number;
  /** The result that shows best what is wrong; null if nothing is. */
  evidence: TestResult | null;
};

const stateRanks: Record<Change['kind'], number> = {
  'new-failure': 0,
  undecided: 2,
  'new-test': 5,
  flaky: 6,
  'failing-before': 7,
  fixed: 8,
};

/** The rows of a run: what was not expected first, then in the order in which it ran. */
export function rowsOf(results: Results): Row[] {
  const places = new Map(columnsOf(results).map(({ id }, index) => [id, index]));
  const rows = new Map<string, Row>();
  for (const test of results.tests) {
    const key = `${test.suite}/${test.test}`;
    let row = rows.get(key);
    if (!row) {
      row = {
        suite: test.suite,
        test: test.test,
        cells: [],
        changes: [],
        state: null,
        rank: 0,
        evidence: null,
      };
      rows.set(key, row);
    }
    row.cells[places.get(test.job) ?? 0] = test;
  }
  for (const change of results.ci?.changes ?? [])
    rows.get(`${change.suite}/${change.test}`)?.changes.push(change);
  for (const row of rows.values()) complete(row, results);
  return [...rows.values()].toSorted((a, b) => a.rank - b.rank);
}

function complete(row: Row, results: Results): void {
  row.changes.sort((a, b) => stateRanks[a.kind] - stateRanks[b.kind]);
  row.state = row.changes[0]?.kind ?? null;
  const ran = row.cells.filter((cell) => cell !== undefined);
  const bad = ran.filter(({ verdict }) => isBad(verdict));
  row.evidence = (row.changes[0] && evidenceOf(row.changes[0], results)) ?? bad.at(-1) ?? null;
  row.rank = rankOf(row, ran);
}

function rankOf({ state, changes }: Row, ran: TestResult[]): number {
  const has = (verdict: Verdict) => ran.some((one) => one.verdict === verdict);
  if (state !== null) {
    const isNewFailure = state === 'new-test' && changes.some(({ patched }) => patched.failed > 0);
    return isNewFailure ? 1 : stateRanks[state];
  }
  if (has('crash') || has('timeout') || has('fail')) return 3;
  if (has('error')) return 4;
  if (ran.some(({ splats }) => splats.some(({ expected }) => !expected))) return 9;
  if (ran.every(({ verdict }) => verdict === 'skip')) return 10;
  return 11;
}

/** Whether the row is shown with the failures. */
export function isFailure({ evidence }: Row): boolean {
  return evidence !== null && isBad(evidence.verdict);
}

/** A case on all jobs, by the places of the row's cells. */
export type CaseRow = { name: string; cells: (CaseResult | undefined)[]; isBad: boolean };

/** The cases of a row, the failed ones first; with a text, only those that have it in their name or detail. */
export function casesOf({ cells, suite, test }: Row, text: readonly string[] = []): CaseRow[] {
  const rows = new Map<string, CaseRow>();
  for (const [index, cell] of cells.entries())
    for (const item of cell?.cases ?? []) {
      const row = rows.get(item.name) ?? { name: item.name, cells: [], isBad: false };
      rows.set(item.name, row);
      row.cells[index] = item;
      row.isBad ||= item.verdict === 'fail' || item.verdict === 'timeout';
    }
  const name = `${suite}/${test}`.toLowerCase();
  const wanted = text.filter((one) => !name.includes(one));
  const has = (row: CaseRow) =>
    wanted.every((one) =>
      [row.name, ...row.cells.map((cell) => cell?.detail ?? '')].some((own) =>
        own.toLowerCase().includes(one),
      ),
    );
  const all = [...rows.values()];
  const shown = wanted.length > 0 ? all.filter(has) : all;
  return shown.toSorted((a, b) => Number(b.isBad) - Number(a.isBad));
}

/** Chooses the rows that a query asks for. `unknown`: its keys that are none; `text`: what cases are chosen by. */
export function choose(
  rows: readonly Row[],
  query: string,
  results: Results,
): { shown: Row[]; unknown: string[]; text: string[] } {
  const { terms, unknown } = parseQuery(query);
  if (terms.length === 0) return { shown: [...rows], unknown, text: [] };
  const subjectOf = subjects(results);
  return {
    shown: rows.filter((row) => subjectOf(row).some((one) => matches(terms, one))),
    unknown,
    text: wantedText(terms),
  };
}

/** What is known of a row, on each job on which it ran: `job:base verdict:fail` means a failure on the base. */
function subjects(results: Results): (row: Row) => Subject[] {
  const patches = results.ci?.patches ?? [];
  return (row) => {
    const blamed = row.changes.flatMap(({ patch }) => (patch === null ? [] : [patch]));
    return row.cells.flatMap((cell) => {
      if (!cell) return [];
      const { verdict, tempo, job, splats } = cell;
      const frames = splats.flatMap((splat) => (splat.frames ?? []).flatMap(({ places }) => places));
      // Where it fails with no patch known, the patch of the job in which it does.
      const guilty = patches.filter(({ number, job: own }) =>
        blamed.length > 0 ? blamed.includes(number) : isBad(verdict) && own === job,
      );
      return lower({
        suite: [row.suite],
        test: [row.test],
        verdict: tempo === 'hung' ? ['hung', verdict] : [verdict],
        state: row.changes.map(({ kind }) => kind),
        job: [job],
        patch: [
          ...guilty.flatMap(({ number, file }) => [String(number), file]),
          ...frames.flatMap(({ patch }) => (patch === null ? [] : [patch])),
        ],
        splat: splats.flatMap(({ title, kind }) => [title, kind]),
        text: () => textOf(row, cell),
      });
    });
  };
}

function lower(subject: Subject): Subject {
  const low = (words: readonly string[]) => words.map((word) => word.toLowerCase());
  const { suite, test, verdict, state, job, patch, splat, text } = subject;
  return {
    ...{ suite: low(suite), test: low(test), verdict: low(verdict), state: low(state) },
    ...{ job: low(job), patch: low(patch), splat: low(splat), text },
  };
}

function textOf({ suite, test }: Row, { detail, problems, cases, splats }: TestResult): string {
  return [
    `${suite}/${test}`,
    ...[detail, ...problems],
    ...cases.flatMap((item) => [item.name, item.detail]),
    ...splats.map(({ title }) => title),
  ]
    .join('\n')
    .toLowerCase();
}

/** The jobs in which tests ran, in their order: the columns of the table of tests. */
export function columnsOf(results: Results): JobResult[] {
  const ran = new Set(results.tests.map(({ job }) => job));
  return results.jobs.filter(({ id }) => ran.has(id));
}

/** The names of the checks that were made, in their order. */
export function checkColumns({ patches }: Ci): string[] {
  const byLength = patches.map(({ checks }) => checks).toSorted((a, b) => b.length - a.length);
  return [...new Set(byLength.flatMap((checks) => checks.map(({ name }) => name)))];
}
