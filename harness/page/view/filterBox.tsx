// SPDX-License-Identifier: MIT
import { useEffect, useRef } from 'preact/hooks';
import { plural } from '../../util/plural.ts';
import { filterKeys } from '../filter.ts';
import type { Page } from './page.tsx';

type FilterBoxProps = { page: Page; unknown: string[]; shown: number; all: number };

/** Chooses the tests that the page shows. `/` goes to it. */
export function FilterBox({ page, unknown, shown, all }: FilterBoxProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.key !== '/' || event.ctrlKey || event.metaKey || target.matches('input, textarea, select'))
        return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
  const { query } = page.address;
  return (
    <search class="filter">
      <label for="filter">Filter</label>
      <input
        ref={input}
        id="filter"
        type="search"
        autocomplete="off"
        spellcheck={false}
        placeholder="text, suite:srvfs, verdict:fail,crash, -job:base"
        aria-describedby="filter-help"
        value={query}
        onInput={(event) => page.go({ query: event.currentTarget.value })}
      />
      <span role="status" class="count">
        {query === '' ? plural(all, 'test') : `${shown} of ${plural(all, 'test')}`}
        {unknown.length > 0 && `; ${unknown.join(', ')}: no key, searched as text`}
      </span>
      <p id="filter-help" class="help">
        Words that a test must have, anywhere or after a key ({filterKeys.map((key) => `${key}:`).join(' ')}).
        A comma is “or”, a minus before a word is “not”, and quotes keep words together. / goes here.
      </p>
    </search>
  );
}
