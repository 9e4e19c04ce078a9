// SPDX-License-Identifier: MIT
import { useEffect, useMemo } from 'preact/hooks';
import type { PageData } from '../../report/pageData.ts';
import { choose, isFailure, rowsOf } from '../model.ts';
import { Failures } from './failures.tsx';
import { FilterBox } from './filterBox.tsx';
import { Header } from './header.tsx';
import { goTo, type Page, useAddress } from './page.tsx';
import { Summary } from './summary.tsx';
import { Tested } from './tested.tsx';
import { Tests } from './tests.tsx';
import { Timeline } from './timeline.tsx';

export function App({ data }: { data: PageData }) {
  const { address, go } = useAddress();
  const { results } = data;
  const rows = useMemo(() => rowsOf(results), [results]);
  const { shown, unknown, text } = useMemo(
    () => choose(rows, address.query, results),
    [rows, address.query, results],
  );
  const page: Page = { data, address, go };
  const failures = shown.filter(isFailure);
  useEffect(() => goTo(address.at), [address.at]);
  return (
    <>
      <Header page={page} failures={rows.filter(isFailure).length} />
      <main>
        <Summary page={page} />
        <Tested page={page} />
        {rows.length > 0 && (
          <FilterBox page={page} unknown={unknown} shown={shown.length} all={rows.length} />
        )}
        <Failures page={page} rows={failures} all={rows.filter(isFailure).length} />
        <Tests page={page} rows={shown} text={text} />
        <Timeline page={page} rows={rows} />
        {data.notes.length > 0 && (
          <footer>
            {data.notes.map((note) => (
              <p key={note}>{note}</p>
            ))}
          </footer>
        )}
      </main>
    </>
  );
}
