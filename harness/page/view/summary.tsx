// SPDX-License-Identifier: MIT
import { bisectLines } from '../../report/bisectText.ts';
import { percent, seconds } from '../../report/text.ts';
import type { Repeat } from '../../schema.ts';
import type { Page } from './page.tsx';
import { Command, FileLink, Printed, Text, VerdictWord, Wide } from './parts.tsx';

/** What only `kiln repeat` and `kiln bisect` have. */
export function Summary({ page }: { page: Page }) {
  const { results } = page.data;
  const { repeat, bisect } = results;
  if (!repeat && !bisect) return null;
  return (
    <section aria-labelledby="summary-title">
      <h2 id="summary-title">
        <Text of={(repeat ?? bisect)!.test} />
      </h2>
      {repeat && <Rate repeat={repeat} />}
      {bisect && (
        <Printed text={bisectLines(results, bisect, '.', seconds(results.duration_ms)).join('\n')} />
      )}
    </section>
  );
}

function Rate({
  repeat: { failed, of, rate, reasons, other_reasons, asked, verdicts, again },
}: {
  repeat: Repeat;
}) {
  return (
    <>
      <p>
        {rate
          ? `${failed} of ${of} failed, ${percent(rate.estimate)} % (95 % confidence: ${percent(rate.low)} to ${percent(rate.high)} %).`
          : 'No run passed or failed.'}{' '}
        {verdicts.total} of {asked} were run.
      </p>
      {reasons.length > 0 && (
        <Wide label="Reasons">
          <table>
            <thead>
              <tr>
                <th scope="col" class="number">
                  Runs
                </th>
                <th scope="col">Verdict</th>
                <th scope="col">Reason</th>
                <th scope="col">Logs of the first</th>
              </tr>
            </thead>
            <tbody>
              {reasons.map(({ verdict, detail, count, logs }) => (
                <tr key={`${verdict} ${detail}`}>
                  <td class="number">{count}</td>
                  <td>
                    <VerdictWord verdict={verdict} />
                  </td>
                  <td>
                    <Text of={detail} />
                  </td>
                  <td>{logs && <FileLink path={logs} />}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
      {other_reasons > 0 && <p>{other_reasons} more runs had other reasons.</p>}
      <Command label="Again" text={again} />
    </>
  );
}
