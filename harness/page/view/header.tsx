// SPDX-License-Identifier: MIT
import { outcomeOf } from '../outcome.ts';
import { Jump, type Page } from './page.tsx';
import { Text } from './parts.tsx';
import { hasTimeline } from './timeline.tsx';

/** The outcome of the run, and the way to the parts of the page. */
export function Header({ page, failures }: { page: Page; failures: number }) {
  const { results } = page.data;
  const { tone, word, sentence, exit } = outcomeOf(results);
  return (
    <header class={`outcome ${tone}`}>
      <h1>
        <span class="word">{word}</span> <span class="sentence">{sentence}</span>
      </h1>
      <p class="facts">
        Run <Text of={results.id} /> of {started(results.started)}, Kiln <Text of={results.kiln} />. Exit code{' '}
        {exit}.
      </p>
      {results.ci && results.ci.failures.length > 0 && (
        <ul class="why">
          {results.ci.failures.map((line) => (
            <li key={line}>
              <Text of={line} />
            </li>
          ))}
        </ul>
      )}
      <nav aria-label="Parts of this page">
        {failures > 0 && (
          <Jump page={page} to="failures">
            Failures ({failures})
          </Jump>
        )}
        {results.tests.length > 0 && (
          <Jump page={page} to="tests">
            Tests ({results.tests.length})
          </Jump>
        )}
        {hasTimeline(results) && (
          <Jump page={page} to="timeline">
            Timeline
          </Jump>
        )}
        <Jump page={page} to="tested">
          What was tested
        </Jump>
      </nav>
    </header>
  );
}

/** `2026-01-02 03:04 UTC`. */
function started(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
