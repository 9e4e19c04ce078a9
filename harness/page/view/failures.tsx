// SPDX-License-Identifier: MIT
import { kindWords } from '../../report/changes.ts';
import { failureId, readFileId } from '../address.ts';
import type { Row } from '../model.ts';
import { Failure } from './failure.tsx';
import type { Page } from './page.tsx';
import { Fold, Some, Tag, Text, VerdictWord } from './parts.tsx';

/** So many failures are open at once; of more, each is a line until the reader opens it. */
const mostOpen = 3;

/** Each failed test in full, the unexpected first. `all`: how many there are without the filter. */
export function Failures({ page, rows, all }: { page: Page; rows: Row[]; all: number }) {
  if (all === 0) return null;
  return (
    <section id="failures" tabIndex={-1} aria-labelledby="failures-title">
      <h2 id="failures-title">Failures</h2>
      {rows.length === 0 && <p>The filter shows none of {all}.</p>}
      <Some items={rows} most={50} noun="failures">
        {(some) =>
          some.map((row) => (
            <FoldedFailure
              key={`${row.suite}/${row.test}`}
              page={page}
              row={row}
              isOpen={rows.length <= mostOpen}
            />
          ))
        }
      </Some>
    </section>
  );
}

function FoldedFailure({ page, row, isOpen }: { page: Page; row: Row; isOpen: boolean }) {
  const { suite, test, state, evidence } = row;
  const id = failureId(suite, test);
  const { at } = page.address;
  const isAsked = at === id || row.cells.some((cell) => cell && isIn(at, cell.guest?.console));
  return (
    <Fold
      id={id}
      class="failure"
      open={isOpen || isAsked}
      summary={
        <>
          <VerdictWord verdict={evidence!.verdict} hung={evidence!.tempo === 'hung'} />{' '}
          <strong>
            <Text of={`${suite}/${test}`} />
          </strong>{' '}
          {state && <Tag tone={state}>{kindWords(state)}</Tag>}{' '}
          <span class="reason">
            <Text of={evidence!.detail} />
          </span>
        </>
      }
    >
      {() => <Failure page={page} row={row} />}
    </Fold>
  );
}

/** Whether an id is about a file in the directory of this one. */
function isIn(id: string, path: string | undefined): boolean {
  const file = readFileId(id);
  return file !== null && path !== undefined && file.path.startsWith(path.replace(/[^/]*$/, ''));
}
