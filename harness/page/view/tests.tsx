// SPDX-License-Identifier: MIT
import { useState } from 'preact/hooks';
import { kindWords } from '../../report/changes.ts';
import { seconds } from '../../report/text.ts';
import type { Change, JobResult, TestResult } from '../../schema.ts';
import { plural } from '../../util/plural.ts';
import { failureId } from '../address.ts';
import { type CaseRow, casesOf, columnsOf, isFailure, type Row } from '../model.ts';
import { Jump, type Page } from './page.tsx';
import { FileLink, Some, Tag, Text, VerdictWord, Wide } from './parts.tsx';

/** Tests and cases in the table at first. */
const most = { rows: 200, cases: 100 };

/** Tests × jobs, the unexpected first. `text`: what the filter wants in a case. */
export function Tests({ page, rows, text }: { page: Page; rows: Row[]; text: string[] }) {
  const { results } = page.data;
  const jobs = columnsOf(results);
  if (results.tests.length === 0) return null;
  return (
    <section id="tests" tabIndex={-1} aria-labelledby="tests-title">
      <h2 id="tests-title">Tests</h2>
      {rows.length === 0 ? (
        <p>The filter shows no test.</p>
      ) : (
        <Some items={rows} most={most.rows} noun="tests">
          {(some) => (
            <Wide label="Tests and jobs">
              <table class="tests">
                <thead>
                  <tr>
                    <th scope="col">Test</th>
                    {results.ci && <th scope="col">State</th>}
                    {jobs.map(({ id }) => (
                      <th key={id} scope="col" class="job">
                        {jobs.length > 1 ? <Text of={id} /> : 'Result'}
                      </th>
                    ))}
                    <th scope="col" class="number">
                      Cases
                    </th>
                    <th scope="col" class="number">
                      Time
                    </th>
                    <th scope="col">Reason</th>
                  </tr>
                </thead>
                {some.map((row) => (
                  <TestRow key={`${row.suite}/${row.test}`} page={page} row={row} jobs={jobs} text={text} />
                ))}
              </table>
            </Wide>
          )}
        </Some>
      )}
    </section>
  );
}

type TestRowProps = { page: Page; row: Row; jobs: JobResult[]; text: string[] };

/** A test, and below it its cases once the reader opens them. */
function TestRow({ page, row, jobs, text }: TestRowProps) {
  const [isOpen, setOpen] = useState(false);
  const { suite, test, state, cells } = row;
  const shown = row.evidence ?? cells.findLast((cell) => cell !== undefined)!;
  const { ci } = page.data.results;
  const more = ci ? 4 : 3;
  return (
    <tbody>
      <tr>
        <th scope="row">
          <button type="button" class="opener" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            <Text of={`${suite}/${test}`} />
          </button>
        </th>
        {ci && <td>{state && <Tag tone={state}>{stateWords(row)}</Tag>}</td>}
        {jobs.map(({ id }, index) => (
          <td key={id}>
            <ResultCell page={page} row={row} cell={cells[index]} />
          </td>
        ))}
        <td class="number">{shown.cases.length}</td>
        <td class="number">{seconds(shown.duration_ms)}</td>
        <td class="reason">
          <Text of={shown.detail} />
        </td>
      </tr>
      {isOpen && (
        <Cases row={row} jobs={jobs} text={text} columns={jobs.length + more} hasState={ci !== undefined} />
      )}
    </tbody>
  );
}

function stateWords({ state, changes }: Row): string {
  const kinds = new Set(changes.map(({ kind }) => kind));
  return kindWords(state as Change['kind']) + (kinds.size > 1 ? ` and ${kinds.size - 1} more` : '');
}

function ResultCell({ page, row, cell }: { page: Page; row: Row; cell: TestResult | undefined }) {
  if (!cell) return <span class="none">not run</span>;
  const word = <VerdictWord verdict={cell.verdict} hung={cell.tempo === 'hung'} />;
  const isLink = isFailure(row) && cell === row.evidence;
  return isLink ? (
    <Jump page={page} to={failureId(row.suite, row.test)}>
      {word}
    </Jump>
  ) : (
    word
  );
}

type CasesProps = { row: Row; jobs: JobResult[]; text: string[]; columns: number; hasState: boolean };

function Cases({ row, jobs, text, columns, hasState }: CasesProps) {
  const [all, setAll] = useState(false);
  const cases = casesOf(row, text);
  const shown = all ? cases : cases.slice(0, most.cases);
  const logs = row.cells.findLast((cell) => cell?.guest)?.guest;
  return (
    <>
      {shown.map((item) => (
        <CaseLine key={item.name} item={item} row={row} jobs={jobs} hasState={hasState} />
      ))}
      <tr class="more">
        <td colSpan={columns + 1}>
          {shown.length < cases.length && (
            <button type="button" onClick={() => setAll(true)}>
              Show {plural(cases.length - shown.length, 'more case')}
            </button>
          )}
          {cases.length === 0 && 'No cases. '}
          {logs && (
            <>
              Logs: <FileLink path={logs.kmsg} name="kernel" /> <FileLink path={logs.output} name="output" />{' '}
              <FileLink path={logs.console} name="console" />
            </>
          )}
        </td>
      </tr>
    </>
  );
}

type CaseLineProps = { item: CaseRow; row: Row; jobs: JobResult[]; hasState: boolean };

function CaseLine({ item, row, jobs, hasState }: CaseLineProps) {
  const change = row.changes.find((one) => one.case === item.name);
  const detail = item.cells.findLast((cell) => cell && cell.detail.trim() !== '')?.detail ?? '';
  return (
    <tr class="case">
      <th scope="row">
        <Text of={item.name} />
      </th>
      {hasState && <td>{change && <Tag tone={change.kind}>{kindWords(change.kind)}</Tag>}</td>}
      {jobs.map(({ id }, index) => {
        const cell = item.cells[index];
        return (
          <td key={id}>
            {cell ? <VerdictWord verdict={cell.verdict} /> : <span class="none">not run</span>}
          </td>
        );
      })}
      <td />
      <td />
      <td class="reason">
        <Text of={detail} />
      </td>
    </tr>
  );
}
